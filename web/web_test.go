package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/report"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// kept is a record in memory; what a test does not set is empty.
type kept struct {
	Record
	deploys    []verifier.Deploy
	watches    map[string]verifier.Verification
	incident   verifier.Incident
	holds      []verifier.Hold
	deliveries []verifier.Delivery
	noise      []verifier.Noise
	marks      map[string]verifier.Mark
	tokens     map[string]verifier.Token
	asked      []string // the questions, in order
	changed    chan struct{}
	override   *verifier.GateOverride
	results    []string
}

func (k *kept) gate(p verifier.Place, version string) verifier.GateAnswer {
	a := verifier.GateAnswer{Place: p, Version: version, Outcome: verifier.GateShut, Text: nasty, Allowed: k.override != nil, Override: k.override, At: noon}
	a.Reasons = []verifier.GateProblem{{Reason: verifier.GateFailed, Environment: "staging", Text: nasty, Verification: "d/1"}}
	return a
}

func (k *kept) Deploy(_ context.Context, id string) (verifier.Deploy, error) {
	for _, d := range k.deploys {
		if d.ID == id {
			return d, nil
		}
	}
	return verifier.Deploy{}, fmt.Errorf("deploy %s: %w", id, verifier.ErrNotFound)
}

func (k *kept) Deploys(_ context.Context, f verifier.DeployFilter) ([]verifier.Deploy, string, error) {
	k.asked = append(k.asked, "deploys")
	if f.Size() < len(k.deploys) {
		return k.deploys[:f.Size()], "1~x", nil
	}
	return k.deploys, "", nil
}

func (k *kept) Targets(context.Context, string, string) ([]string, error) { return nil, nil }

func (k *kept) Watches(context.Context, []string) (map[string]verifier.Verification, error) {
	k.asked = append(k.asked, "watches")
	return k.watches, nil
}

func (k *kept) Verification(_ context.Context, id string) (verifier.Verification, error) {
	k.asked = append(k.asked, "verification")
	v, ok := k.watches[id]
	if !ok {
		return v, fmt.Errorf("verification %s: %w", id, verifier.ErrNotFound)
	}
	return v, nil
}

func (k *kept) Incident(_ context.Context, id string) (verifier.Incident, error) {
	if id != k.incident.ID {
		return verifier.Incident{}, fmt.Errorf("incident %s: %w", id, verifier.ErrNotFound)
	}
	return k.incident, nil
}

func (k *kept) Incidents(context.Context, verifier.IncidentFilter) ([]verifier.Incident, string, error) {
	return []verifier.Incident{k.incident}, "", nil
}

func (k *kept) Deliveries(_ context.Context, f verifier.DeliveryFilter) ([]verifier.Delivery, string, error) {
	var out []verifier.Delivery
	for _, d := range k.deliveries {
		if (f.Outcome == "" || d.Outcome == f.Outcome) && (f.Tool == "" || d.Tool == f.Tool) {
			out = append(out, d)
		}
	}
	return out, "1~a~b", nil
}

func (k *kept) Holds(context.Context, time.Time, bool) ([]verifier.Hold, error) { return k.holds, nil }

func (k *kept) PutHold(_ context.Context, h verifier.Hold) error {
	k.holds = append(k.holds, h)
	return nil
}

func (k *kept) MarkDeploy(_ context.Context, id string, m verifier.Mark) error {
	k.marks[id] = m
	return nil
}

func (*kept) TokenUsed([]byte, verifier.Token, time.Time) {}

func (k *kept) Token(_ context.Context, hash []byte) (verifier.Token, error) {
	t, ok := k.tokens[string(hash)]
	if !ok {
		return t, verifier.ErrNotFound
	}
	return t, nil
}

func (k *kept) Audit(context.Context, string, int) ([]verifier.Audit, error) {
	return []verifier.Audit{{At: noon, By: nasty, What: "deny", Reason: nasty}}, nil
}

func (k *kept) Subscribe() (<-chan struct{}, func()) { return k.changed, func() {} }

const nasty = `<script>alert("x")</script>'"><img src=x>`

func watchOf(state verifier.State, rollback verifier.RollbackState) verifier.Verification {
	d := verifier.Deploy{
		ID: "d/1", Place: verifier.Place{Service: "checkout", Environment: "production", Target: "eu-1"}, Version: "1.4.2", Previous: "1.4.1",
		Status: verifier.Succeeded, Change: verifier.Release, Kind: verifier.KindRelease, At: noon.Add(-10 * time.Minute), By: nasty, URL: "javascript:alert(1)",
		Commit: nasty, Labels: map[string]string{nasty: nasty}, Hosts: []string{nasty}, Tool: "api", Group: nasty, Repository: nasty,
	}
	value := 0.031
	v := verifier.Verification{ID: "d/1", Deploy: d, State: state, Reason: nasty, Until: noon.Add(time.Minute), Revision: 7, Incident: "verdict/d/1/production/"}
	v.Results = []verifier.TestResult{{Name: nasty, Tests: 3, Failed: 1, Failures: []string{nasty}, URL: "javascript:alert(3)", By: nasty, At: noon}}
	v.Findings = []verifier.Finding{{Rule: nasty, Outcome: verifier.Fail, Reason: verifier.IsWorse, Text: nasty, Value: &value, Query: nasty, Link: "javascript:alert(2)", OnFail: verifier.FailRollback}}
	if !state.Watching() {
		v.Ended = &noon
	}
	if rollback != "" {
		by, at := nasty, noon
		v.Rollback = &verifier.Rollback{
			State: rollback, To: "1.4.1", From: "1.4.2", Reason: nasty, By: &by, At: noon, SendAt: &at, Candidates: []string{"1.4.1", "1.4.0"}, Answer: "d2",
			Guards: []verifier.GuardAnswer{{Guard: verifier.GuardHeld, Denies: true, Text: nasty}, {Guard: verifier.GuardLate, Text: "in time"}},
		}
	}
	return v
}

// open is the whole server over such a record; without a token it takes callers on loopback.
func open(k *kept, change ...func(*Config)) http.Handler {
	c := Config{
		URL: "http://127.0.0.1:8080", Loopback: true, Zone: time.UTC, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Intake: http.NotFoundHandler(), Metrics: http.NotFoundHandler(), Banner: func() string { return "held: " + nasty },
		Order: func(_ context.Context, id string, o verifier.Order) (verifier.Verification, error) {
			v, err := k.Verification(context.Background(), id)
			if err == nil && o.Reason == "late" {
				err = &verifier.ConflictError{Field: "rollback", Problem: "it is sent already", Present: &v}
			}
			return v, err
		},
		Presses: func(context.Context, verifier.Verification, bool) ([]verifier.Press, error) {
			return []verifier.Press{{Verb: verifier.Approve, Text: "Approve the rollback"}, {Verb: verifier.Deny, Text: "Deny the rollback"}}, nil
		},
		Gate: func(_ context.Context, p verifier.Place, version string) (verifier.GateAnswer, error) {
			return k.gate(p, version), nil
		},
		Override: func(_ context.Context, p verifier.Place, version, reason string) (verifier.GateAnswer, error) {
			k.override = &verifier.GateOverride{By: "anna", Reason: reason, At: noon, Until: noon.Add(time.Hour)}
			return k.gate(p, version), nil
		},
		Results: func(_ context.Context, id, name string, body []byte) (verifier.Verification, error) {
			k.results = append(k.results, name+" "+string(body))
			return k.Verification(context.Background(), id)
		},
		Template: strings.ToUpper, Held: func(context.Context) {}, Ready: func(context.Context) error { return nil }, Status: func(context.Context) any { return map[string]string{} },
		Report: func(_ context.Context, month, by string) (report.Report, error) {
			b, err := report.Month(month, time.UTC)
			if err != nil {
				return report.Report{}, err
			}
			return report.Make(b, by, nil, nil, nil, func(string) bool { return true })
		},
		Explain:   func(context.Context, string, string, string, time.Time) (any, error) { return map[string]string{}, nil },
		AlertTest: func(context.Context, string, string) error { return nil },
	}
	for _, f := range change {
		f(&c)
	}
	return New(c, k)
}

// ask sends a request from loopback, with pairs of headers.
func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:4000"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestPagesOfEveryState renders all pages for all states; nothing from outside becomes markup, nothing is left of a broken template.
func TestPagesOfEveryState(t *testing.T) {
	for _, state := range verifier.States {
		for _, rollback := range []verifier.RollbackState{
			"", verifier.RollbackVetoed, verifier.RollbackProposed, verifier.RollbackApproved, verifier.RollbackSent, verifier.RollbackConfirmed, verifier.RollbackRecovered,
			verifier.RollbackDenied, verifier.RollbackCancelled, verifier.RollbackExpired, verifier.RollbackRefused, verifier.RollbackFailed,
		} {
			v := watchOf(state, rollback)
			v.Mark = &verifier.Mark{Good: true, Cause: nasty, By: nasty, At: noon}
			k := &kept{deploys: []verifier.Deploy{v.Deploy}, watches: map[string]verifier.Verification{"d/1": v}}
			k.incident = verifier.Incident{
				ID: "verdict/d/1/production/", Kind: verifier.IncidentVerdict, Title: nasty, Text: nasty, Person: true, Opened: noon,
				Members: []verifier.Member{{Verification: "d/1", Version: nasty, By: nasty, Text: nasty, Outcome: string(state), Rollback: nasty}},
			}
			k.holds = []verifier.Hold{{ID: nasty, By: nasty, Reason: nasty, At: noon, Services: []string{nasty}, Stops: []string{"rollback"}}}
			k.deliveries = []verifier.Delivery{{ID: nasty, Tool: nasty, ReceivedAt: noon, Outcome: verifier.Unmapped, Problem: nasty, Body: []byte("secret")}}
			h := open(k)
			for path, want := range map[string]string{
				"/": string(state), "/deploys/d%2F1": "1.4.2", "/verifications/d%2F1": string(state), "/verifications/d%2F1/rollback": "Roll back now",
				"/incidents": "open", "/incidents/verdict%2Fd%2F1%2Fproduction%2F": "A person is needed", "/incidents/verdict/d/1/production/": "A person is needed",
				"/holds": "rollback", "/hooks": "hooks replay", "/reports/2026-11": "2026-10", "/gate": "May it go?", "/gate?service=checkout&environment=production&version=1.4.2&target=": "It may not go",
			} {
				w := ask(h, "GET", path, "")
				page := w.Body.String()
				if w.Code != http.StatusOK || !strings.Contains(page, want) || !strings.HasSuffix(page, "</html>\n") {
					t.Fatalf("%s of %s, %s answers %d without %q:\n%s", path, state, rollback, w.Code, want, page)
				}
				for _, bad := range []string{"<script", "<img", `href="javascript:`, "<no value>", "ZgotmplZ\"><", "%!"} {
					if strings.Contains(page, bad) {
						t.Errorf("%s of %s, %s has %q", path, state, rollback, bad)
					}
				}
			}
			if page := ask(h, "GET", "/verifications/d%2F1", "").Body.String(); rollback != "" && !strings.Contains(page, `state `+string(rollback)) {
				t.Errorf("the page of %s does not say %s", state, rollback)
			}
		}
	}
}

// TestHooksPage lists what did not map with the reason and the way to replay it, and never what was sent.
func TestHooksPage(t *testing.T) {
	k := &kept{deliveries: []verifier.Delivery{
		{ID: "a1", Tool: "teamcity", ReceivedAt: noon, Outcome: verifier.Unmapped, Problem: "no entry of map matches", Body: []byte("secret"), Header: map[string][]string{"X": {"secret"}}},
		{ID: "a2", Tool: "github", ReceivedAt: noon, Outcome: verifier.Recorded, Body: []byte("secret")},
	}}
	h := open(k)
	for path, want := range map[string][]string{
		"/hooks":                                {"no entry of map matches", "verifier hooks replay --tool teamcity<", "a2", "after=1"},
		"/hooks?outcome=unmapped":               {"a1", "<b>unmapped</b>"},
		"/hooks?outcome=recorded&tool=teamcity": {"No delivery is like that"},
		"/hooks?outcome=lost":                   {"unmapped"}, // 422
		"/hooks?body=true":                      {"is not known here"},
	} {
		w := ask(h, "GET", path, "")
		for _, text := range want {
			if !strings.Contains(w.Body.String(), text) {
				t.Errorf("%s has no %q:\n%s", path, text, w.Body)
			}
		}
		if strings.Contains(w.Body.String(), "secret") || strings.Contains(path, "outcome=unmapped") && strings.Contains(w.Body.String(), "a2") {
			t.Errorf("%s shows too much:\n%s", path, w.Body)
		}
		if bad := strings.Contains(path, "lost") || strings.Contains(path, "body"); bad != (w.Code >= 400) {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
}

// TestButtons shows what would be accepted, where messages link to, and to those alone who may press it.
func TestButtons(t *testing.T) {
	k := &kept{watches: map[string]verifier.Verification{"d/1": watchOf(verifier.FailedState, verifier.RollbackProposed)}, tokens: map[string]verifier.Token{
		string(HashToken("look")): {Name: "looker", Scopes: []string{verifier.ScopeRead}},
	}}
	k.incident = verifier.Incident{ID: "i", Title: "x", Members: []verifier.Member{{Verification: "d/1", Place: verifier.Place{Service: "checkout"}}}}
	page := ask(open(k), "GET", "/verifications/d%2F1", "").Body.String()
	for _, want := range []string{`id="rollback" href="/verifications/d%2F1/approve">Approve the rollback…`, `id="stop" href="/verifications/d%2F1/deny">Deny the rollback…`} {
		if strings.Count(page, want) != 1 {
			t.Errorf("the page has not once %s:\n%s", want, page)
		}
	}
	if page := ask(open(k), "GET", "/incidents/i", "").Body.String(); !strings.Contains(page, `href="/verifications/d%2F1/approve">Approve the rollback…`) {
		t.Errorf("the incident's page has no button:\n%s", page)
	}
	if page := ask(open(k), "GET", "/verifications/d%2F1/rollback", "").Body.String(); !strings.Contains(page, "This is not possible now") || strings.Contains(page, "<form") {
		t.Errorf("what would be refused is asked for:\n%s", page)
	}
	if page := ask(open(k), "GET", "/verifications/d%2F1/approve", "").Body.String(); !strings.Contains(page, "<button>Approve the rollback</button>") {
		t.Errorf("what would be accepted is not asked for:\n%s", page)
	}
	for _, path := range []string{"/verifications/d%2F1", "/incidents/i"} {
		r := ask(open(k), "GET", path, "", "Authorization", "Bearer look")
		if r.Code != http.StatusOK || strings.Contains(r.Body.String(), `class="button"`) {
			t.Errorf("%s: who may only look gets %d with buttons", path, r.Code)
		}
	}
}

// TestPressing goes the way of a form: done and sent on, or a page that says why not.
func TestPressing(t *testing.T) {
	k := &kept{watches: map[string]verifier.Verification{"d/1": watchOf(verifier.FailedState, verifier.RollbackProposed)}, marks: map[string]verifier.Mark{}}
	h := open(k)
	form := func(path string, pairs ...string) *httptest.ResponseRecorder {
		v := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return ask(h, "POST", path, v.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	}
	for _, c := range []struct {
		path string
		form []string
		code int
		want string
	}{
		{"/verifications/d%2F1/approve", []string{"reason", "seen it", "to", "1.4.1"}, 303, "/verifications/d%2F1"},
		{"/verifications/d%2F1/approve", []string{"reason", "late"}, 409, "How it stands now"},
		{"/verifications/d%2F1/approve", []string{"to", "a'b"}, 422, "<b>to</b>"},
		{"/verifications/none/deny", nil, 404, "none"},
		{"/deploys/d1/mark", []string{"good", "false", "cause", "slow"}, 303, "/deploys/d1"},
		{"/deploys/d1/mark", []string{"cause", "slow"}, 422, "<b>good</b>"},
		{"/holds", []string{"stops", "rollback", "services", "a*, b", "reason", "release day", "for", "4h"}, 303, "/holds"},
		{"/holds", []string{"stops", "alert", "reason", "quiet"}, 422, "<b>until</b>"},
		{"/gate?service=a&environment=b&version=1", []string{"reason", "sale"}, 303, "/gate?service=a&environment=b&version=1"},
		{"/gate?service=a&environment=b&version=1", []string{"reason", " "}, 422, "<b>reason</b>"},
		{"/gate?service=a", []string{"reason", "x"}, 422, "<b>version</b>"},
		{"/holds", []string{"stops", "rollback", "for", "soon"}, 422, "<b>for</b>"},
	} {
		w := form(c.path, c.form...)
		if w.Code != c.code || !strings.Contains(w.Body.String()+w.Header().Get("Location"), c.want) {
			t.Errorf("%s %v answers %d %s %.300s", c.path, c.form, w.Code, w.Header().Get("Location"), w.Body)
		}
	}
	if m := k.marks["d1"]; m.Good || m.Cause != "slow" || m.By != "local" {
		t.Errorf("marked %+v", m)
	}
	if len(k.holds) != 1 || len(k.holds[0].Services) != 2 || !k.holds[0].Until.Equal(noon.Add(4*time.Hour)) {
		t.Errorf("holds %+v", k.holds)
	}
	if w := ask(h, "POST", "/holds", "reason=x", "Content-Type", "application/x-www-form-urlencoded", "Origin", "https://evil.example.com"); w.Code != http.StatusForbidden || len(k.holds) != 1 {
		t.Errorf("another site's form answers %d", w.Code)
	}
}

// TestHomeAsksTwice holds the home page to one question for all deploys and one for all their watches.
func TestHomeAsksTwice(t *testing.T) {
	k := &kept{watches: map[string]verifier.Verification{}}
	for i := range 120 {
		v := watchOf(verifier.Passed, "")
		v.ID, v.Deploy.ID = fmt.Sprint("d", i), fmt.Sprint("d", i)
		k.deploys, k.watches[v.ID] = append(k.deploys, v.Deploy), v
	}
	page := ask(open(k), "GET", "/?service=checkout&kind=release", "").Body.String()
	if got := strings.Join(k.asked, " "); got != "deploys watches" {
		t.Errorf("asked %s", got)
	}
	if n := strings.Count(page, "<tr"); n != 51 || !strings.Contains(page, `after=1~x&amp;kind=release&amp;service=checkout`) && !strings.Contains(page, `after=1%7Ex&amp;kind=release&amp;service=checkout`) {
		t.Errorf("%d rows, or no link to the older ones", n)
	}
	if w := ask(open(k), "GET", "/?limit=many&kind=none", ""); w.Code != 422 || !strings.Contains(w.Body.String(), "<b>limit</b>") || !strings.Contains(w.Body.String(), "<b>kind</b>") {
		t.Errorf("wrong filters answer %d", w.Code)
	}
}

// TestProblems answers what cannot be done: programs get problem+json, people a page.
func TestProblems(t *testing.T) {
	h := open(&kept{watches: map[string]verifier.Verification{"d1": watchOf(verifier.Passed, "")}, tokens: map[string]verifier.Token{
		string(HashToken("old")): {Name: "old", Scopes: verifier.Scopes, Expires: &noon}, string(HashToken("in")): {Name: "ci", Scopes: []string{verifier.ScopeDeploysWrite}},
	}}, func(c *Config) { c.Now = func() time.Time { return noon.Add(time.Second) } })
	long := strings.Repeat("x", maxBody)
	for _, c := range []struct {
		method, path, body string
		code               int
		fields             string
		header             []string
	}{
		{"GET", "/v1/nothing", "", 404, "", nil},
		{"POST", "/v1/nothing", "", 404, "", nil},
		{"PUT", "/v1/deploys", "", 405, "", nil},
		{"DELETE", "/v1/deploys", "", 405, "", nil},
		{"GET", "/v1/gate", "", 422, "environment service version", nil},
		{"GET", "/v1/gate?service=a%22&environment=b&version=1'2&target=c%0Ad&to=x", "", 422, "service target to version", nil},
		{"POST", "/v1/gate", `{"service":"a","environment":"b","version":"1","reason":" "}`, 422, "reason", nil},
		{"POST", "/v1/gate", `{"service":"a","reason":"x","force":true}`, 422, "force", nil},
		{"POST", "/v1/gate", `{"service":"a","reason":"x"}`, 422, "environment version", nil},
		{"POST", "/v1/verifications/none/results", "{}", 404, "", nil},
		{"POST", "/v1/verifications/d1/results?nmae=x", "{}", 422, "nmae", nil},
		{"POST", "/v1/verifications/d1/results", strings.Repeat("x", maxResults+1), 413, "", nil},
		{"POST", "/healthz", "", 405, "", nil},
		{"GET", "/v1/deploys?limit=0&after=x&kind=y&status=z&change=w&month=2016-13&enviroment=p", "", 422, "after change enviroment kind limit month status", nil},
		{"GET", "/v1/verifications?state=done&active=maybe&limit=501", "", 422, "active limit state", nil},
		{"GET", "/v1/incidents?kind=x&open=1", "", 422, "kind open", nil},
		{"GET", "/v1/holds?limit=-1&all=x", "", 422, "all limit", nil},
		{"GET", "/v1/deploys?service=a&service=b", "", 422, "service", nil},
		{"GET", "/v1/reports/2016-13?by=hour&format=pdf", "", 422, "by format month", nil},
		{"GET", "/v1/explain?environment=a%0Ab&target=x%22&at=noon", "", 422, "at environment service target", nil},
		{"GET", "/v1/verifications/none", "", 404, "", nil},
		{"GET", "/v1/verifications/none/events", "", 404, "", nil},
		{"GET", "/v1/verifications/d1/events", "", 422, "Last-Event-ID", []string{"Last-Event-ID", "x"}},
		{"POST", "/v1/verifications/d1/approve", `{"reason":"late"}`, 409, "rollback", nil},
		{"POST", "/v1/verifications/d1/deny", `{"raeson":"x","to":7,"reason":["y"]}`, 422, "raeson reason to", nil},
		{"POST", "/v1/verifications/d1/rollback", `{"to":"1'2","reason":"\u0007"}`, 422, "reason to", nil},
		{"POST", "/v1/verifications/d1/cancel", `[]`, 422, "body", nil},
		{"POST", "/v1/verifications/d1/cancel", `null`, 422, "body", nil},
		{"POST", "/v1/verifications/d1/cancel", `{} {}`, 422, "body", nil},
		{"POST", "/v1/verifications/d1/dismiss", `{"reason":"` + long + `"}`, 413, "", nil},
		{"POST", "/v1/deploys/d1/mark", `{}`, 422, "good", nil},
		{"POST", "/v1/deploys/d1/mark", `{"good":"yes","cause":1}`, 422, "cause good", nil},
		{"POST", "/v1/holds", `{"reason":" ","until":"2020-01-01T00:00:00Z","stops":["all"],"services":["a\nb"]}`, 422, "reason services[0] stops until", nil},
		{"POST", "/v1/holds", `{"reason":"x","until":"soon","services":"a"}`, 422, "services until", nil},
		{"POST", "/v1/holds", `{"reason":"x","stops":["alert"]}`, 422, "stops", nil},
		{"POST", "/v1/mutes", `{"reason":"x","stops":["gate"]}`, 422, "stops until", nil},
		{"GET", "/v1/deploys", "", 401, "", []string{"Authorization", "Bearer wrong"}},
		{"GET", "/v1/deploys", "", 401, "", []string{"Authorization", "Token abc"}},
		{"GET", "/v1/deploys", "", 401, "", []string{"Authorization", "Bearer old"}},
		{"GET", "/v1/deploys", "", 401, "", []string{"X-Forwarded-For", "192.0.2.1"}},
		{"GET", "/v1/deploys", "", 403, "", []string{"Authorization", "bearer in"}},
		{"POST", "/v1/holds", "{}", 403, "", []string{"Sec-Fetch-Site", "cross-site"}},
	} {
		w := ask(h, c.method, c.path, c.body, c.header...)
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s answers %d %q, no problem+json", c.method, c.path, w.Code, w.Body)
			continue
		}
		var fields []string
		for _, e := range p.Errors {
			fields = append(fields, e.Field)
		}
		if got := strings.Join(fields, " "); w.Code != c.code || p.Status != c.code || got != c.fields || p.Title == "" || p.Detail == "" {
			t.Errorf("%s %s answers %d for %q, want %d for %q: %s", c.method, c.path, w.Code, got, c.code, c.fields, w.Body)
		}
		if (w.Code == 405) != (w.Header().Get("Allow") != "") || (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s %s answers %d with %v", c.method, c.path, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/nothing", "/verifications/none", "/deploys/none", "/incidents/none", "/verifications/none/deny"} {
		if w := ask(h, "GET", path, ""); w.Code != 404 || !strings.Contains(w.Body.String(), "That did not work") {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
	if w := ask(h, "GET", "/reports/2016-13", ""); w.Code != 422 || !strings.Contains(w.Body.String(), "2016-13") {
		t.Errorf("a month that is none answers %d", w.Code)
	}
	if w := ask(h, "GET", "/", "", "Authorization", "Bearer wrong"); w.Code != 401 || strings.Contains(w.Body.String(), "held:") || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("a stranger's page: %d %s", w.Code, w.Body)
	}
}

// TestWhoIsLocal takes callers without a token on loopback alone.
func TestWhoIsLocal(t *testing.T) {
	k := &kept{tokens: map[string]verifier.Token{string(HashToken("s")): {Name: "anna", Scopes: []string{verifier.ScopeOperate}}}}
	for _, c := range []struct {
		name, peer, host string
		loopback         bool
		password         string
		want             int
	}{
		{"local", "127.0.0.1:1", "127.0.0.1:8080", true, "", 200},
		{"local by name", "[::1]:1", "localhost:8080", true, "", 200},
		{"rebound name", "127.0.0.1:1", "evil.example.com", true, "", 401},
		{"from outside", "192.0.2.1:1", "127.0.0.1", true, "", 401},
		{"listens beyond", "127.0.0.1:1", "127.0.0.1", false, "", 401},
		{"password", "192.0.2.1:1", "verifier.example.com", false, "s", 200},
		{"wrong password", "127.0.0.1:1", "127.0.0.1", true, "t", 401},
	} {
		r := httptest.NewRequest("GET", "http://"+c.host+"/v1/deploys", nil)
		r.RemoteAddr = c.peer
		if c.password != "" {
			r.SetBasicAuth("whoever", c.password)
		}
		w := httptest.NewRecorder()
		open(k, func(s *Config) { s.Loopback = c.loopback }).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
		for path, code := range map[string]int{"/healthz": 200, "/readyz": 200, "/openapi.json": c.want, "/metrics": max(c.want, 401)} {
			r.URL.Path = path
			w := httptest.NewRecorder()
			open(k, func(s *Config) { s.Loopback = c.loopback }).ServeHTTP(w, r)
			if w.Code != code && (path != "/metrics" || w.Code != 404) { // 404: the fake one behind it
				t.Errorf("%s: %s answers %d, want %d", c.name, path, w.Code, code)
			}
		}
	}
}

// TestWhatAProxyPassesOnIsNotLocal refuses callers without a token that a proxy on the same machine, or a page elsewhere, may stand for.
func TestWhatAProxyPassesOnIsNotLocal(t *testing.T) {
	k := &kept{}
	for _, c := range []struct {
		name, host, header string
		proto              int // minor version of HTTP/1
		want               int
		says               string
	}{
		{"here", "127.0.0.1:8080", "", 1, 200, ""},
		{"here by name", "LOCALHOST:8080", "", 1, 200, ""},
		{"a trace", "127.0.0.1:8080", "Traceparent", 1, 200, ""},
		{"nginx's proxy_pass", "127.0.0.1:8080", "", 0, 401, "HTTP/1.0"},
		{"nginx with the host", "verifier.example.com", "", 0, 401, "token create"},
		{"rebound DNS", "evil.example.com:8080", "", 1, 401, `"evil.example.com:8080", not to 127.0.0.1 or localhost`},
		{"a name that begins like one", "localhost.evil.example.com", "", 1, 401, ""},
		{"no host", "", "", 1, 401, ""},
		{"RFC 7239", "127.0.0.1:8080", "Forwarded", 1, 401, "through a proxy (header Forwarded)"},
		{"most proxies", "127.0.0.1:8080", "X-Forwarded-For", 1, 401, "header X-Forwarded-For"},
		{"only the scheme", "127.0.0.1:8080", "X-Forwarded-Proto", 1, 401, ""},
		{"only the host", "127.0.0.1:8080", "x-forwarded-host", 1, 401, ""},
		{"only the server", "127.0.0.1:8080", "X-Forwarded-Server", 1, 401, ""},
		{"nginx's usual", "127.0.0.1:8080", "X-Real-IP", 1, 401, ""},
		{"squid", "127.0.0.1:8080", "Via", 1, 401, ""},
		{"Cloudflare", "127.0.0.1:8080", "CF-Connecting-IP", 1, 401, ""},
		{"Akamai", "127.0.0.1:8080", "True-Client-IP", 1, 401, ""},
		{"oauth2-proxy", "127.0.0.1:8080", "X-Auth-Request-User", 1, 401, ""},
		{"IIS", "127.0.0.1:8080", "X-Original-URL", 1, 401, ""},
		{"Envoy", "127.0.0.1:8080", "X-Envoy-External-Address", 1, 401, ""},
		{"tailscale serve", "127.0.0.1:8080", "Tailscale-User-Login", 1, 401, ""},
	} {
		for _, local := range []func(context.Context) Local{nil, func(context.Context) Local { return Local{Scopes: verifier.Scopes} }} { // said explicitly too
			r := httptest.NewRequest("GET", "http://127.0.0.1/v1/deploys", nil)
			r.RemoteAddr, r.Host, r.ProtoMinor = "127.0.0.1:1", c.host, c.proto
			if c.header != "" {
				r.Header.Set(c.header, "192.0.2.7")
			}
			w := httptest.NewRecorder()
			open(k, func(s *Config) { s.Local = local }).ServeHTTP(w, r)
			if w.Code != c.want || !strings.Contains(w.Body.String(), strings.ReplaceAll(c.says, `"`, `\"`)) || w.Code == 401 && !strings.Contains(w.Body.String(), "verifier token create NAME") {
				t.Errorf("%s: %d %s, want %d with %q", c.name, w.Code, w.Body, c.want, c.says)
			}
		}
	}
}

// TestLocalMayOnlyRead says why, to a caller without a token that asks for more than the configuration allows.
func TestLocalMayOnlyRead(t *testing.T) {
	h := open(&kept{}, func(s *Config) {
		s.Local = func(context.Context) Local {
			return Local{Scopes: []string{verifier.ScopeRead}, Why: "only reading is allowed (local: read)"}
		}
	})
	if w := ask(h, "GET", "/v1/deploys", ""); w.Code != 200 {
		t.Errorf("reading: %d %s", w.Code, w.Body)
	}
	if w := ask(h, "POST", "/v1/holds", `{"reason":"freeze"}`); w.Code != 403 || !strings.Contains(w.Body.String(), "local: read") || !strings.Contains(w.Body.String(), "scope operate") {
		t.Errorf("a hold: %d %s", w.Code, w.Body)
	}
}

// TestHolds answers whole lists, pages them and keeps who made them.
func TestHolds(t *testing.T) {
	k := &kept{}
	h := open(k)
	w := ask(h, "POST", "/v1/holds", `{"id":"mine","by":"somebody","reason":"freeze","ended":"2020-01-01T00:00:00Z"}`)
	for _, want := range []string{`"by":"local"`, `"services":[]`, `"environments":[]`, `"teams":[]`, `"stops":["rollback"]`, `"until":null`, `"id":"hold-`} {
		if w.Code != 201 || !strings.Contains(w.Body.String(), want) || w.Header().Get("Content-Type") != "application/json" || strings.Contains(w.Body.String(), "ended") {
			t.Errorf("%d %s %s, want %s", w.Code, w.Header(), w.Body, want)
		}
	}
	k.holds = []verifier.Hold{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	var ids []string
	for after := ""; ; {
		var page list[verifier.Hold]
		if err := json.Unmarshal(ask(h, "GET", "/v1/holds?limit=2&after="+after, "").Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, hold := range page.Items {
			ids = append(ids, hold.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if got := strings.Join(ids, ""); got != "abc" {
		t.Errorf("paged %s", got)
	}
}

// TestHeaders are on every answer, of pages, problems and refusals.
func TestHeaders(t *testing.T) {
	h := open(&kept{})
	for _, path := range []string{"/", "/v1/deploys", "/v1/nothing", "/style.css", "/healthz", "/nothing"} {
		head := ask(h, "GET", path, "").Header()
		if !strings.Contains(head.Get("Content-Security-Policy"), "default-src 'none'") || head.Get("X-Content-Type-Options") != "nosniff" || head.Get("X-Frame-Options") != "DENY" ||
			head.Get("Cache-Control") == "" {
			t.Errorf("%s has %v", path, head)
		}
	}
	if w := ask(h, "HEAD", "/", ""); w.Code != 200 {
		t.Errorf("HEAD answers %d", w.Code)
	}
	broken := ask(open(&kept{}, func(c *Config) { c.Ready = func(context.Context) error { return errors.New("secret of the disk") } }), "GET", "/readyz", "")
	if broken.Code != 503 || strings.Contains(broken.Body.String(), "secret") {
		t.Errorf("not ready: %d %s", broken.Code, broken.Body)
	}
	if s := Server("", nil); s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("the server has no limit somewhere: %+v", s)
	}
}

type nothing struct{}

func (nothing) ServeHTTP(http.ResponseWriter, *http.Request) {}

// broken is a record whose disk is gone.
type broken struct{ *kept }

func (broken) Deploys(context.Context, verifier.DeployFilter) ([]verifier.Deploy, string, error) {
	return nil, "", errors.New("disk is gone")
}

// TestErrorsGoThroughTheHandler logs what is not said to the asker in the format that was asked for, whoever answers.
func TestErrorsGoThroughTheHandler(t *testing.T) {
	var said strings.Builder
	h := New(Config{
		URL: "http://127.0.0.1:8080", Loopback: true, Zone: time.UTC, Now: func() time.Time { return noon }, Log: slog.New(slog.NewJSONHandler(&said, nil)),
		Metrics: http.NotFoundHandler(), Banner: func() string { return "" },
		Intake: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Problem(w, r, errors.New("tape is gone")) }),
	}, broken{&kept{}})
	for _, c := range []struct{ method, path, want string }{{"GET", "/v1/deploys", "disk is gone"}, {"GET", "/", "disk is gone"}, {"POST", "/v1/deploys", "tape is gone"}} {
		said.Reset()
		w := ask(h, c.method, c.path, "{}")
		if want := `"msg":"cannot answer","method":"` + c.method + `","path":"` + c.path + `","err":"` + c.want + `"`; w.Code != 500 || strings.Contains(w.Body.String(), "is gone") || !strings.Contains(said.String(), want) {
			t.Errorf("%s %s: %d %.200s; the log: %q, want %s", c.method, c.path, w.Code, w.Body, said.String(), want)
		}
	}
}
