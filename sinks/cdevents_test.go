package sinks

import (
	"testing"

	"verifier"
	"verifier/intake"
)

func cdEventsOpen(t *testing.T, url string) (Sink, error) {
	return NewCDEvents(CDEventsConfig{URL: url + "/events", Token: "hush"}, wayOut(t))
}

func TestCDEvents(t *testing.T) {
	const (
		service  = `{"id":"checkout","content":{"environment":{"id":"production"},"artifactId":"pkg:generic/checkout@1.4.2"}}`
		incident = `{"id":"verifier/github:42","content":{"description":"checkout 1.4.2 in production: failed. Error ratio 3.1 %; 0.4 % before.","environment":{"id":"production"},
			"service":{"id":"checkout"},"artifactId":"pkg:generic/checkout@1.4.2"}}`
		resolved = `{"id":"verifier/d41","content":{"description":"checkout 1.4.2 in production: passed","environment":{"id":"production"},"service":{"id":"checkout"},"artifactId":"pkg:generic/checkout@1.4.2"}}`
	)
	for name, c := range map[string]struct {
		state         verifier.State
		change        func(*verifier.Verification)
		kind, subject string
		summary       string
	}{
		"upgraded":    {verifier.Waiting, func(*verifier.Verification) {}, "service.upgraded", service, "checkout 1.4.2 in production: waiting"},
		"the first":   {verifier.Waiting, func(v *verifier.Verification) { v.Deploy.Previous = "" }, "service.deployed", service, "checkout 1.4.2 in production: waiting"},
		"rolled back": {verifier.Waiting, func(v *verifier.Verification) { v.Deploy.Kind = verifier.KindRollback }, "service.rolledback", service, "checkout 1.4.2 in production: waiting"},
		"failed":      {verifier.FailedState, func(*verifier.Verification) {}, "incident.detected", incident, "checkout 1.4.2 in production: failed. Error ratio 3.1 %; 0.4 % before."},
		"recovered":   {verifier.Passed, func(v *verifier.Verification) { v.Answers = "d41" }, "incident.resolved", resolved, "checkout 1.4.2 in production: passed"},
		"passed":      {verifier.Passed, func(*verifier.Verification) {}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, always(202, ``))
			s, err := cdEventsOpen(t, f.URL)
			if err != nil || wants(s) != "waiting passed failed" {
				t.Fatalf("wants %s, %v", wants(s), err)
			}
			o := order(c.state)
			c.change(&o.Verification)
			if _, err := s.Write(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if c.kind == "" {
				f.only(t, 0)
				return
			}
			call := f.only(t, 1)[0]
			if call.Method != "POST" || call.Path != "/events" || call.Header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" || call.Header.Get("Authorization") != "Bearer hush" {
				t.Errorf("%+v", call)
			}
			at, kind := o.At.UTC().Format("2006-01-02T15:04:05Z07:00"), "dev.cdevents."+c.kind+".0.3.0"
			subjectID := map[bool]string{true: "checkout", false: "verifier/github:42"}[c.state == verifier.Waiting]
			if c.kind == "incident.resolved" {
				subjectID = "verifier/d41"
			}
			sameJSON(t, call.Body, `{"specversion":"1.0","id":"`+o.Key+`","source":"urn:verifier:v","type":"`+kind+`","time":"`+at+`","subject":"`+subjectID+`","datacontenttype":"application/json","data":{
				"context":{"specversion":"0.5.1","id":"`+o.Key+`","source":"urn:verifier:v","type":"`+kind+`","timestamp":"`+at+`"},"subject":`+c.subject+`,
				"customData":{"verification":"https://v/verifications/github:42","state":"`+string(c.state)+`","summary":"`+c.summary+`"},"customDataContentType":"application/json"}}`)
			hooks, err := intake.NewHooks(intake.Config{Hooks: map[string]intake.Hook{"cdevents": {Header: "X-Key", Secret: "s"}}})
			if err != nil {
				t.Fatal(err)
			}
			if back, err := hooks.Map(verifier.Delivery{Tool: "cdevents", Body: []byte(call.Body)}); err != nil || back.Ignored != "it is verifier's own event" {
				t.Errorf("our own hook reads it as %+v, %v", back, err)
			}
		})
	}
	checkRetries(t, func(url string) (Sink, error) { return cdEventsOpen(t, url) }, order(verifier.FailedState), map[string]bool{"400": false, "401": false, "404": false, "429": true, "500": true})
}
