package sinks

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

func nrOpen(t *testing.T, url string) (Sink, error) {
	return NewNewRelic(NewRelicConfig{AccountID: 7, LicenseKey: "hush", APIKey: "hush", URL: url + "/graphql", EventsURL: url}, wayOut(t))
}

func TestNewRelicEvents(t *testing.T) {
	f := newFake(t, always(200, `{"success":true,"uuid":"u"}`))
	s, err := nrOpen(t, f.URL)
	if err != nil {
		t.Fatal(err)
	}
	o := order(verifier.FailedState)
	recent := time.Now().Add(-time.Minute).Truncate(time.Second)
	o.Verification.DecidedAt, o.Verification.From = &recent, recent.Add(-90*time.Second)
	if _, err := s.Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	c := f.only(t, 1)[0]
	if c.Method != "POST" || c.Path != "/v1/accounts/7/events" || c.Header.Get("Api-Key") != "hush" || c.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", c)
	}
	common := fmt.Sprintf(`"verification":"github:42","state":"failed","appName":"Checkout (production)","service":"checkout","environment":"production","version":"1.4.2",
		"team":"payments","previousVersion":"1.4.1","change":"release","kind":"release","commit":"f95f852bd8fca8fcc58a9a2d6c842781e32a215e","deployedBy":"anna",
		"url":"https://v/verifications/github:42","timestamp":%d`, recent.UnixMilli())
	sameJSON(t, c.Body, `[
		{"eventType":"VerifierVerdict","key":"sink/out/github:42/failed",`+common+`,"text":"checkout 1.4.2 in production: failed. Error ratio 3.1 %; 0.4 % before.",
		 "deployedAt":1795521600000,"secondsToVerdict":90,"findings.pass":1,"findings.fail":1,"findings.inconclusive":0,"rule":"error-ratio","rollback":"proposed","rollbackTo":"1.4.1"},
		{"eventType":"VerifierFinding","key":"sink/out/github:42/failed/error-ratio",`+common+`,"rule":"error-ratio","outcome":"fail","text":"Error ratio 3.1 %; 0.4 % before.",
		 "muted":false,"count":47,"exposure":1520,"reason":"worse","unit":"1","query":"status:>=500","link":"https://kibana/x","onFail":"rollback","value":0.031,"limit":0.01},
		{"eventType":"VerifierFinding","key":"sink/out/github:42/failed/response-time",`+common+`,"rule":"response-time","outcome":"pass","text":"Fine.","muted":false,
		 "count":0,"exposure":0,"onFail":"alert"}]`)
}

// New Relic drops what is old, too long or too many without a word.
func TestNewRelicEventsKeepTheLimits(t *testing.T) {
	f := newFake(t, always(200, `{"success":true}`))
	s, err := nrOpen(t, f.URL)
	if err != nil {
		t.Fatal(err)
	}
	o := order(verifier.Passed)
	old := time.Now().Add(-48 * time.Hour)
	o.Verification.DecidedAt = &old
	for i := range 50 {
		o.Verification.Findings = append(o.Verification.Findings, verifier.Finding{Rule: fmt.Sprint("r", i), Text: strings.Repeat("x", 9000), Query: strings.Repeat("y", 9000)})
	}
	if _, err := s.Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range f.only(t, 3) {
		var events []map[string]any
		if err := json.Unmarshal([]byte(c.Body), &events); err != nil || len(c.Body) > 1<<20 {
			t.Fatalf("%v, %d bytes", err, len(c.Body))
		}
		n += len(events)
		for _, e := range events {
			if _, has := e["timestamp"]; has || len(e) > 255 {
				t.Errorf("an event of %d attributes, with the old time %v", len(e), e["timestamp"])
			}
			for name, v := range e {
				if text, ok := v.(string); ok && len(text) > 4096 {
					t.Errorf("%s has %d bytes", name, len(text))
				}
			}
		}
	}
	if n != 53 {
		t.Errorf("%d events, want 53", n)
	}
}

func nerdGraphFake(t *testing.T, entities string) *fake {
	return newFake(t, func(c call) (int, string) {
		if strings.Contains(c.Body, "entitySearch(query") {
			return 200, `{"data":{"actor":{"entitySearch":{"results":{"entities":[` + entities + `]}}}}}`
		}
		return 200, `{"data":{"changeTrackingCreateEvent":{"changeTrackingEvent":{"changeTrackingId":"c-1"},"messages":["cut short"]}}}`
	})
}

func TestNewRelicMarkers(t *testing.T) {
	f := nerdGraphFake(t, `{"guid":"GUID","name":"Checkout (production)"},{"guid":"OTHER","name":"Checkout (production) 2"}`)
	s, err := nrOpen(t, f.URL)
	if err != nil {
		t.Fatal(err)
	}
	o := order(verifier.Waiting)
	o.Service = "Checkout (production)"
	said, err := s.Write(t.Context(), o)
	if err != nil || said != "change c-1: cut short" {
		t.Fatalf("%q, %v", said, err)
	}
	calls := f.only(t, 2)
	var search, mark struct {
		Query     string
		Variables map[string]any
	}
	for i, into := range []any{&search, &mark} {
		if err := json.Unmarshal([]byte(calls[i].Body), into); err != nil || calls[i].Path != "/graphql" || calls[i].Header.Get("Api-Key") != "hush" {
			t.Fatalf("%v: %+v", err, calls[i])
		}
	}
	if want := "accountId = 7 AND domain = 'APM' AND type = 'APPLICATION' AND name = 'Checkout (production)'"; search.Variables["query"] != want {
		t.Errorf("searched %v, want %s", search.Variables["query"], want)
	}
	variables, _ := json.Marshal(mark.Variables)
	sameJSON(t, string(variables), `{"changeTrackingEvent":{
		"categoryAndTypeData":{"kind":{"category":"DEPLOYMENT","type":"BASIC"},"categoryFields":{"deployment":{"version":"1.4.2",
			"commit":"f95f852bd8fca8fcc58a9a2d6c842781e32a215e","deepLink":"https://v/verifications/github:42"}}},
		"entitySearch":{"query":"id = 'GUID'"},"timestamp":1795521600000,"groupId":"g1","user":"anna","shortDescription":"checkout 1.4.2",
		"description":"verifier watches it: https://v/verifications/github:42",
		"customAttributes":{"environment":"production","verification":"github:42","key":"sink/out/github:42/waiting"}}}`)
	likeVendor(t, mark.Query)
}

// likeVendor holds the mutation against New Relic's own: its variable, its type, its argument, and fields that are there.
func likeVendor(t *testing.T, ours string) {
	t.Helper()
	b, err := os.ReadFile("testdata/newrelic/ChangeTrackingCreateEventMutation.graphql")
	if err != nil {
		t.Fatal(err)
	}
	words := func(text string) []string { return regexp.MustCompile(`[$\w]+[:!]*|[{}()]`).FindAllString(text, -1) }
	vendor := words(string(b))
	for _, word := range words(ours) {
		if !slices.Contains(vendor, word) {
			t.Errorf("New Relic's own document has no %s: %s", word, ours)
		}
	}
	whole := strings.Join(words(ours), " ")
	for _, part := range []string{"$changeTrackingEvent: ChangeTrackingCreateEventInput!", "changeTrackingEvent: $changeTrackingEvent", "changeTrackingCreateEvent ("} {
		if !strings.Contains(strings.Join(vendor, " "), part) || !strings.Contains(whole, part) {
			t.Errorf("%q is not in both documents: %s", part, ours)
		}
	}
}

func TestNewRelicEntities(t *testing.T) {
	o := order(verifier.Waiting)
	o.Service = "checkout"
	for _, tt := range []struct{ entities, problem string }{
		{``, `no APM application is called "checkout"; name it in the catalogue's names under out, or write its guid under entities`},
		{`{"guid":"A","name":"checkout"},{"guid":"B","name":"Checkout"}`, `2 APM applications are called "checkout" (A, B)`},
		{`{"guid":"A","name":"Checkout"}`, ""},
	} {
		s, err := nrOpen(t, nerdGraphFake(t, tt.entities).URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Write(t.Context(), o)
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%s: %v", tt.entities, err)
		}
	}
	f := nerdGraphFake(t, "")
	s, err := NewNewRelic(NewRelicConfig{AccountID: 7, APIKey: "k", URL: f.URL, Entities: map[string]string{"Checkout": "MINE"}}, wayOut(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), o); err != nil || !strings.Contains(f.only(t, 1)[0].Body, `id = 'MINE'`) {
		t.Errorf("a configured entity: %v, %+v", err, f.calls)
	}
}

func TestNewRelicRetries(t *testing.T) {
	open := func(url string) (Sink, error) { return nrOpen(t, url) }
	checkRetries(t, open, order(verifier.Passed), map[string]bool{
		"403 no": false, "400 no": false, "429 later": true, "503 down": true, `200 {"success":false,"uuid":"u"}`: false, "200 <html>": false,
	})
	recorded := map[string]bool{"403 no": false, "500 x": true, `200 {"errors":[{"message":"Invalid credentials"}]}`: false}
	for _, name := range []string{"error_timeout", "error_too_many_requests", "error_internal_server_error"} {
		b, err := os.ReadFile("testdata/newrelic/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		recorded["200 "+string(b)] = true
	}
	checkRetries(t, open, order(verifier.Waiting), recorded)
}

func TestNewRelicConfig(t *testing.T) {
	bad := func(c NewRelicConfig) error { _, err := NewNewRelic(c, nil); return err }
	checkProblems(t, map[string]error{
		"account_id: is missing":                          bad(NewRelicConfig{LicenseKey: "x"}),
		"license_key: is missing; write license_key_file": bad(NewRelicConfig{AccountID: 1}),
		`region: invalid region "mars": must be us or eu`: bad(NewRelicConfig{AccountID: 1, LicenseKey: "x", Region: "mars"}),
		"events_url: is not a URL (try https://host)":     bad(NewRelicConfig{AccountID: 1, LicenseKey: "x", EventsURL: "x"}),
		"license_key: read secret":                        bad(NewRelicConfig{AccountID: 1, LicenseKeyFile: "/not/there"}),
		"api_key: secret: is given twice":                 bad(NewRelicConfig{AccountID: 1, APIKey: "x", APIKeyFile: "y"}),
	})
	for keys, want := range map[[2]outbound.Secret]string{{"l", ""}: allVerdicts, {"", "k"}: "waiting", {"l", "k"}: "waiting " + allVerdicts} {
		s, err := NewNewRelic(NewRelicConfig{AccountID: 1, LicenseKey: keys[0], APIKey: keys[1], Region: "EU"}, nil)
		if err != nil || wants(s) != want || s.events != "https://insights-collector.eu01.nr-data.net/v1/accounts/1/events" || s.graph != "https://api.eu.newrelic.com/graphql" {
			t.Errorf("%v: %v, wants %q", keys, err, wants(s))
		}
	}
}
