package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

var now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// kept remembers what was recorded; a deploy that is known brings nothing new.
type kept struct {
	deliveries []verifier.Delivery
	deploys    []verifier.Deploy
}

func (k *kept) Refused(string, error) {}

func (k *kept) Record(_ context.Context, d verifier.Delivery, deploys []verifier.Deploy) ([]verifier.Receipt, error) {
	k.deliveries = append(k.deliveries, d)
	var receipts []verifier.Receipt
	for _, deploy := range deploys {
		known := slices.ContainsFunc(k.deploys, func(e verifier.Deploy) bool { return e.ID == deploy.ID })
		k.deploys = append(k.deploys, deploy)
		receipts = append(receipts, verifier.Receipt{ID: deploy.ID, New: !known})
	}
	return receipts, nil
}

// failed writes an error as the API does, in short.
func failed(w http.ResponseWriter, _ *http.Request, err error) {
	status := http.StatusUnprocessableEntity
	var refused *Error
	if errors.As(err, &refused) {
		status = refused.Status()
	} else if errors.Is(err, verifier.ErrNotFound) {
		status = http.StatusNotFound
	}
	http.Error(w, err.Error(), status)
}

func serve(t *testing.T) (*kept, http.Handler) {
	t.Helper()
	k := &kept{}
	hooks, err := NewHooks(Config{Hooks: map[string]Hook{"github": {Secret: "It's a Secret to Everybody"}}})
	if err != nil {
		t.Fatal(err)
	}
	h := New(func() Hooks { return hooks }, k, failed, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return k, h
}

func post(h http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAPI(t *testing.T) {
	k, h := serve(t)
	body := `{"service":"checkout","environment":"production","version":"1.4.2","at":"2026-11-24T09:59:00Z","hosts":["b","a","a"],"rollback":{"allowed":false,"reason":"schema"},"labels":{"tier":"1"}}`
	if w := post(h, "/v1/deploys", body, "Authorization", "Bearer hush"); w.Code != http.StatusAccepted {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := post(h, "/v1/deploys", body); w.Code != http.StatusOK {
		t.Errorf("the same again answers %d, want 200", w.Code)
	}
	d := k.deploys[0]
	if d.Status != verifier.Succeeded || d.Change != verifier.Release || !d.Irreversible() || len(d.Hosts) != 2 || d.ID != k.deploys[1].ID || len(d.ID) != 24 {
		t.Errorf("recorded %+v", d)
	}
	if string(k.deliveries[0].Body) != body || k.deliveries[0].Header["Authorization"] != nil {
		t.Error("the delivery is not raw, or holds a secret")
	}
	open := `{"service":"checkout","environment":"production","version":"1.4.2"}`
	post(h, "/v1/deploys", open)
	post(h, "/v1/deploys", open)
	if k.deploys[2].ID == k.deploys[3].ID {
		t.Error("without id and at every POST is a deploy of its own")
	}
}

func TestAPINamesEveryBadField(t *testing.T) {
	body := `{"servcie":"x","environment":"a\nb","version":"1'2","at":"2026-11-24T10:06:00Z","status":"done","url":"javascript:alert(1)","hosts":"web1","by":7,"rollback":{"permitted":true}}`
	_, err := MapAPI(verifier.Delivery{Body: []byte(body), ReceivedAt: now})
	var invalid *verifier.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("%v", err)
	}
	var fields []string
	for _, f := range invalid.Fields {
		fields = append(fields, f.Field)
	}
	slices.Sort(fields)
	want := []string{"at", "by", "environment", "hosts", "rollback", "servcie", "service", "status", "url", "version"}
	if !slices.Equal(fields, want) {
		t.Errorf("named %v\nwant  %v", fields, want)
	}
	if !strings.Contains(err.Error(), "did you mean service?") || !strings.Contains(err.Error(), "6m0s ahead") {
		t.Errorf("%v", err)
	}
}

func TestAPIBodies(t *testing.T) {
	for body, want := range map[string]string{
		"": "empty", "[]": "not a JSON object", "null": "not a JSON object", `{"a":1} {"b":2}`: "goes on", "{": "ends too early", `"x"`: "not a JSON object",
		`{"a":1}]`: "goes on", `{"a":1}}`: "goes on", `{"a":1} x`: "goes on", `{"a":1,}`: "not a JSON object", `{"a" 1}`: "not a JSON object",
		`{"service":"s","environment":"e","version":"1","version":"2"}`:                     "version: is there twice",
		`{"service":"s","environment":"e","version":"1\"2"}`:                                "version: has '\"'",
		`{"service":"s","environment":"e","version":"1\n2"}`:                                "version: has '\\n'",
		`{"service":"s","environment":"e","version":1.4}`:                                   "version: is not a string",
		`{"service":"s","environment":"e","version":"1","id":["a"]}`:                        "id: is not a string",
		"{\"service\":\"s\",\"environment\":\"e\",\"version\":\"1\xff\"}":                   "version: has",
		"{\"service\":\"s\",\"environment\":\"e\",\"version\":\"1\",\"by\":\"\xff\"}":       "by: has control",
		`{"service":"` + strings.Repeat("s", 201) + `","environment":"e","version":"1"}`:    "service: has 201",
		`{"service":"s","environment":"e","version":"1","at":"0001-01-01T00:00:00Z"}`:       "at: is before 2000",
		`{"service":"s","environment":"e","version":"1","at":"2026-11-24T10:05:01Z"}`:       "at: is 5m1s ahead",
		`{"service":"s","environment":"e","version":"1","at":1480000000}`:                   "at: is not a string",
		`{"service":"s","environment":"e","version":"1","change":"hotfix"}`:                 "change: \"hotfix\" is none; write release, config",
		`{"service":"s","environment":"e","version":"1","hosts":["a","b\nc"]}`:              "hosts[1]",
		`{"service":"s","environment":"e","version":"1","rollback":{"allowed":"no"}}`:       "rollback: is not an object",
		`{"service":"s","environment":"e","version":"1","status":"started"}`:                "id: is missing",
		`{"service":"s","environment":"e","version":"` + strings.Repeat("9", 10_000) + `"}`: "has 10000 characters",
		`{"service":"s","environment":"e","version":"1","at":"1999-01-01T00:00:00Z"}`:       "before 2000",
		`{"service":"s","environment":"e","version":"1","id":"a b"}`:                        "id: has spaces",
		`{"service":"s","environment":"e","version":"1","at":"yesterday"}`:                  "no time",
		`{"service":"s","environment":"e","version":"1","labels":{"a":"b\u0007"}}`:          "labels.a",
	} {
		_, h := serve(t)
		if w := post(h, "/v1/deploys", body); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%.60s: %d %.200s, want %q in it", body, w.Code, w.Body, want)
		}
	}
	_, h := serve(t)
	if w := post(h, "/v1/deploys", `{"by":"`+strings.Repeat("x", MaxBody)+`"}`); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body above 1 MiB answers %d", w.Code)
	}
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte("It's a Secret to Everybody"))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func TestGitHub(t *testing.T) {
	text, err := os.ReadFile("../testdata/github/deployment_status.json")
	if err != nil {
		t.Fatal(err)
	}
	k, h := serve(t)
	w := post(h, "/v1/hooks/github", string(text), "X-Hub-Signature-256", sign(string(text)), "X-GitHub-Event", "deployment_status", "X-GitHub-Delivery", "guid-1")
	if w.Code != http.StatusAccepted {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	d := k.deploys[0]
	if d.ID != "github:145988746" || d.Service != "Hello-World" || d.Environment != "production" || d.Status != verifier.Succeeded ||
		d.Version != "f95f852bd8fca8fcc58a9a2d6c842781e32a215e" || d.By != "Codertocat" || !d.At.Equal(time.Date(2019, 5, 15, 15, 20, 55, 0, time.UTC)) {
		t.Errorf("%+v", d)
	}
	if k.deliveries[0].ID != "guid-1" || k.deliveries[0].Header["X-Hub-Signature-256"] != nil {
		t.Errorf("delivery %s with %v", k.deliveries[0].ID, k.deliveries[0].Header)
	}
}

func TestGitHubVariants(t *testing.T) {
	for _, c := range []struct{ state, ref, payload, version, status, ignored string }{
		{"success", "v1.4.2", `{}`, "v1.4.2", "succeeded", ""},
		{"error", "main", `{"version":"7"}`, "7", "failed", ""},
		{"queued", "refs/tags/2.0.0-rc.1", `"{\"version\":\"8\",\"service\":\"checkout\"}"`, "8", "started", ""},
		{"in_progress", "feature/1.2", `"text"`, "abc", "started", ""},
		{"failure", "main", `{"version":1.40,"service":["x"],"target":{"region":"eu"}}`, "1.40", "failed", ""},
		{"waiting", "v1.4", `{"version":""}`, "v1.4", "started", ""},
		{"pending", "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", `[]`, "abc", "started", ""},
		{"inactive", "main", `{}`, "", "", "newer deploy"},
		{"new_state", "main", `null`, "", "", "not known"},
	} {
		body := fmt.Sprintf(`{"deployment_status":{"id":2,"state":%q,"environment":"production","created_at":"2026-11-24T09:00:00Z"},
			"deployment":{"id":1,"sha":"abc","ref":%q,"payload":%s},"repository":{"name":"shop"}}`, c.state, c.ref, c.payload)
		deploys, ignored, err := mapped("github", verifier.Delivery{Body: []byte(body), ReceivedAt: now, Header: map[string][]string{"X-Github-Event": {"deployment_status"}}})
		if err != nil || !strings.Contains(ignored, c.ignored) || (ignored == "") != (len(deploys) == 1) {
			t.Errorf("%+v: %v %q %v", c, deploys, ignored, err)
			continue
		}
		if len(deploys) == 1 && (deploys[0].Version != c.version || string(deploys[0].Status) != c.status) {
			t.Errorf("%+v: got %s %s", c, deploys[0].Version, deploys[0].Status)
		}
	}
}

func TestGitHubRefusals(t *testing.T) {
	var vector struct {
		Secret, Body string
		Signature    string `json:"X-Hub-Signature-256"`
	}
	text, err := os.ReadFile("../testdata/github/signature_test_vector.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &vector); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("X-Hub-Signature-256", vector.Signature)
	if err := checkGitHub(&hook{secret: outbound.Secret(vector.Secret)}, r, []byte(vector.Body)); err != nil {
		t.Errorf("GitHub's own vector: %v", err)
	}
	_, h := serve(t)
	for want, w := range map[int]*httptest.ResponseRecorder{
		401: post(h, "/v1/hooks/github", "{}", "X-Hub-Signature-256", sign("{} ")),
		404: post(h, "/v1/hooks/jenkins", "{}"),
		200: post(h, "/v1/hooks/github", "{}", "X-Hub-Signature-256", sign("{}"), "X-GitHub-Event", "ping"),
		422: post(h, "/v1/hooks/github", "{}", "X-Hub-Signature-256", sign("{}"), "X-GitHub-Event", "deployment_status"),
	} {
		if w.Code != want {
			t.Errorf("answered %d %s, want %d", w.Code, w.Body, want)
		}
	}
	k, h := serve(t)
	for _, event := range []string{"ping", "push", "deployment_status", ""} {
		post(h, "/v1/hooks/github", `{"zen":1}`, "X-Hub-Signature-256", sign(`{"zen":1}`), "X-GitHub-Event", event)
	}
	if len(k.deliveries) != 4 || len(k.deploys) != 0 {
		t.Errorf("%d deliveries are kept, want all 4 that were signed", len(k.deliveries))
	}
	if w := post(h, "/v1/hooks/github", "{}"); w.Code != 401 || !strings.Contains(w.Body.String(), "missing") {
		t.Errorf("unsigned: %d %s", w.Code, w.Body)
	}
}

func TestCSV(t *testing.T) {
	text := "\xef\xbb\xbfat,service,environment,version,status,team,id\r\n2016-09-01 10:00,shop,production,1.0,,web,\r\n2016-09-01T11:00:00Z,\"shop\",production,1.1,failed,web,x1\r\n"
	zone := time.FixedZone("CEST", 2*3600)
	var got []verifier.Deploy
	if err := ReadCSV(strings.NewReader(text), now, zone, func(_ int, d verifier.Deploy) error { got = append(got, d); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !got[0].At.Equal(time.Date(2016, 9, 1, 8, 0, 0, 0, time.UTC)) || got[0].Status != verifier.Succeeded || got[1].ID != "x1" || got[1].Status != verifier.Failed {
		t.Errorf("%+v", got)
	}
}

func TestCSVNamesTheLine(t *testing.T) {
	var text strings.Builder
	text.WriteString("at,service,environment,version\n")
	for i := 2; i < 99_999; i++ {
		fmt.Fprintf(&text, "2016-09-01T10:00:00Z,shop,production,1.%d\n", i)
	}
	text.WriteString("2016-09-01T10:00:00Z,shop,production,1\"2\n")
	for want, in := range map[string]string{
		"line 99999":                            text.String(),
		"line 2, column version (4): has '\\''": "at,service,environment,version\n2016-09-01T10:00:00Z,shop,production,1'2\n",
		"line 2, column at (1)":                 "at,service,environment,version\nyesterday,shop,production,1\n",
		"line 2: it has another number":         "at,service,environment,version\na,b\n",
		"did you mean version?":                 "at,service,environment,verison\n",
		"column environment is missing":         "at,service,version\n",
		"reading stopped":                       "at,service,environment,version\n" + strings.Repeat("x,shop,production,1\n", 50),
	} {
		err := ReadCSV(strings.NewReader(in), now, time.UTC, func(int, verifier.Deploy) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.300v, want %q in it", err, want)
		}
	}
}

// TestCSVFiles are files as tables and people write them.
func TestCSVFiles(t *testing.T) {
	const header = "at,service,environment,version\n"
	for want, in := range map[string]string{
		"the file is empty":                         "",
		"separated by ';'":                          "at;service;environment;version\n2016-09-01 10:00;shop;production;1\n",
		"separated by '\\t'":                        "at\tservice\tenvironment\tversion\n",
		"UTF-16":                                    "\xff\xfea\x00t\x00",
		"line 1, column 2: at is there twice":       "at,At,service,environment,version\n",
		"line 1, column 3: \"colour\" is not":       "at,service,colour\n",
		"line 2, character":                         header + "\"2016-09-01 10:00,shop,production,1\n",
		"line 3, character 20":                      header + "2016-09-01 10:00,shop,production,1\n2016-09-01 10:00,sh\"op,production,1\n",
		"line 2, column version (4): has '\\n'":     header + "2016-09-01 10:00,shop,production,\"1\n2\"\n",
		"line 2, column at (1): \"1.9.2016 10:00\"": header + "1.9.2016 10:00,shop,production,1\n",
		"column at (1): is before 2000":             header + "1969-12-31 23:59,shop,production,1\n",
		"column at (1): is 2":                       header + "2050-01-01 00:00,shop,production,1\n",
		"column status (5): \"done\" is none of":    "at,service,environment,version,status\n2016-09-01 10:00,shop,production,1,done\n",
		"column status (5): a started deploy":       "at,service,environment,version,status\n2016-09-01 10:00,shop,production,1,started\n",
		"column id (5): has spaces":                 "at,service,environment,version,id\n2016-09-01 10:00,shop,production,1,a b\n",
		"column hosts (5): \"b'\" has":              "at,service,environment,version,hosts\n2016-09-01 10:00,shop,production,1,a;b'\n",
		"column service (2): has":                   header + "2016-09-01 10:00,sh\xffop,production,1\n",
	} {
		n := 0
		err := ReadCSV(strings.NewReader(in), now, time.UTC, func(int, verifier.Deploy) error { n++; return nil })
		if err == nil || !strings.Contains(err.Error(), want) || n > 1 {
			t.Errorf("%q: %.300v, want %q in it", in, err, want)
		}
	}
	var got []verifier.Deploy
	in := "Version , SERVICE,at,environment,hosts\r\n v1.2 ,\"shop\",2016-09-01 10:00:30,production,b;a\r\n\r\n1.3,shop,2016-09-01T12:00:00+02:00,production,\r\n"
	if err := ReadCSV(strings.NewReader(in), now, time.UTC, func(_ int, d verifier.Deploy) error { got = append(got, d); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Version != "v1.2" || !slices.Equal(got[0].Hosts, []string{"a", "b"}) || got[1].At.Sub(got[0].At) != -30*time.Second {
		t.Errorf("%+v", got)
	}
	api, err := MapAPI(verifier.Delivery{ReceivedAt: now, Body: []byte(`{"service":"SHOP","environment":"production","version":"1.3","at":"2016-09-01T10:00:00Z"}`)})
	if err != nil || api.ID != got[1].ID {
		t.Errorf("the same deploy has the key %s by a file and %s by the API (%v)", got[1].ID, api.ID, err)
	}
}

func FuzzGitHub(f *testing.F) {
	text, err := os.ReadFile("../testdata/github/deployment_status.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text), false)
	f.Add(`{"deployment_status":{"id":2,"state":"success","environment":"e","created_at":"2026-11-24T09:00:00Z"},"deployment":{"id":1,"sha":"a","payload":"{}"}}`, false)
	f.Add(`payload=%7B%7D`, true)
	f.Fuzz(func(t *testing.T, body string, form bool) {
		header := map[string][]string{"X-Github-Event": {"deployment_status"}}
		if form {
			header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
		}
		deploys, ignored, err := mapped("github", verifier.Delivery{Body: []byte(body), ReceivedAt: now, Header: header})
		if err != nil && !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%v is no ErrInvalid", err)
		}
		if err == nil && (len(deploys) == 0) != (ignored != "") {
			t.Errorf("%d deploys, ignored %q", len(deploys), ignored)
		}
		for _, d := range deploys {
			if err == nil && (verifier.NameProblem(d.Service) != "" || verifier.VersionProblem(d.Version) != "" || idProblem(d.ID) != "" || d.At.IsZero()) {
				t.Errorf("took %+v", d)
			}
		}
	})
}

func FuzzMapAPI(f *testing.F) {
	f.Add(`{"service":"s","environment":"e","version":"1","at":"2026-11-24T09:00:00Z"}`)
	f.Fuzz(func(t *testing.T, body string) {
		d, err := MapAPI(verifier.Delivery{Body: []byte(body), ReceivedAt: now})
		if err == nil && (verifier.NameProblem(d.Service) != "" || verifier.VersionProblem(d.Version) != "" || d.ID == "" || d.At.IsZero()) {
			t.Errorf("took %+v", d)
		}
		if err != nil && !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%v is no ErrInvalid", err)
		}
	})
}

func FuzzReadCSV(f *testing.F) {
	f.Add("at,service,environment,version\n2016-09-01T10:00:00Z,shop,production,1\n")
	f.Fuzz(func(t *testing.T, text string) {
		ReadCSV(strings.NewReader(text), now, time.UTC, func(_ int, d verifier.Deploy) error {
			if verifier.NameProblem(d.Service) != "" || d.ID == "" {
				t.Errorf("took %+v", d)
			}
			return nil
		})
	})
}

// TestGitHubOwnVerdict keeps the daemon from taking the deployment status that it wrote itself for a deploy that failed.
func TestGitHubOwnVerdict(t *testing.T) {
	body := fmt.Sprintf(`{"deployment_status":{"id":3,"state":"failure","environment":"production","created_at":"2026-11-24T09:00:00Z","description":%q},
		"deployment":{"id":1,"sha":"abc","ref":"main"},"repository":{"name":"shop"}}`, verifier.OwnStatus+"failed: Error ratio 3.1 %")
	deploys, ignored, err := mapped("github", verifier.Delivery{Body: []byte(body), ReceivedAt: now, Header: map[string][]string{"X-Github-Event": {"deployment_status"}}})
	if err != nil || len(deploys) != 0 || ignored != "it is verifier's own verdict" {
		t.Errorf("%v %q %v", deploys, ignored, err)
	}
}
