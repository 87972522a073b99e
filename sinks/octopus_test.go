package sinks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"verifier"
	"verifier/outbound"
)

// octopusDefects is Octopus with one release and its defects.
type octopusDefects struct {
	defects []map[string]string
	calls   []string // what changed anything
	status  int
}

func (f *octopusDefects) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if f.status != 0 {
		w.WriteHeader(f.status)
		return
	}
	if r.Header.Get("X-Octopus-ApiKey") != "k" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/Spaces-1") {
	case "GET /projects":
		fmt.Fprint(w, `{"Items":[{"Id":"Projects-2","Name":"Shop.Web.Admin"},{"Id":"Projects-1","Name":"Shop.Web"}]}`)
	case "GET /projects/Projects-1/releases/1.4.2":
		fmt.Fprint(w, `{"Id":"Releases-9","Version":"1.4.2"}`)
	case "GET /releases/Releases-9/defects":
		_ = json.NewEncoder(w).Encode(map[string]any{"Items": f.defects})
	case "POST /releases/Releases-9/defects":
		var in map[string]string
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.calls = append(f.calls, "block "+in["Description"])
		f.defects = append(f.defects, map[string]string{"Status": "Unresolved", "Description": in["Description"]})
		fmt.Fprint(w, `{}`)
	case "POST /releases/Releases-9/defects/resolve":
		f.calls = append(f.calls, "resolve")
		for _, d := range f.defects {
			d["Status"] = "Resolved"
		}
		fmt.Fprint(w, `{}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestOctopus(t *testing.T) {
	f := &octopusDefects{}
	server := httptest.NewServer(http.HandlerFunc(f.serve))
	defer server.Close()
	rt, err := outbound.New(outbound.Config{})
	if err != nil {
		t.Fatal(err)
	}
	sink, err := NewOctopus(OctopusConfig{URL: server.URL, Key: "k", Space: "Spaces-1", Environments: []string{"stag*"}}, rt)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(sink.Wants(verifier.FailedState), sink.Wants(verifier.MarkedState), sink.Wants(verifier.Passed), sink.Wants(verifier.Waiting)); got != "true true false false" {
		t.Errorf("wants %s", got)
	}
	order := Order{Key: "k", SinkOrder: verifier.SinkOrder{State: verifier.FailedState, Service: "shop.web", URL: "https://v/1", Verification: verifier.Verification{
		ID: "1", State: verifier.FailedState, Deploy: verifier.Deploy{Place: verifier.Place{Service: "shop", Environment: "staging"}, Version: "1.4.2", Change: verifier.Release},
		Findings: []verifier.Finding{{Rule: "errors", Outcome: verifier.Fail, OnFail: verifier.FailAlert, Text: "12 errors."}},
	}}}
	good, bad := &verifier.Mark{Good: true, By: "anna"}, &verifier.Mark{By: "ben", Cause: "loses orders"}
	const blocked = "block verifier: failed in staging: 12 errors. https://v/1"
	for _, step := range []struct {
		name   string
		change func(*Order)
		before []map[string]string // defects
		calls  []string
		said   string
	}{
		{"it failed", func(*Order) {}, nil, []string{blocked}, "blocked 1.4.2"},
		{"once more", func(*Order) {}, []map[string]string{{"Status": "Unresolved", "Description": "verifier: failed"}}, nil, "nothing: the release is blocked already"},
		{"somebody else's block", func(*Order) {}, []map[string]string{{"Status": "Unresolved", "Description": "no"}}, nil, "nothing: the release is blocked already"},
		{"an old one", func(*Order) {}, []map[string]string{{"Status": "Resolved", "Description": "verifier: failed"}}, []string{blocked}, "blocked 1.4.2"},
		{"dismissed", func(o *Order) { o.State, o.Verification.Mark = verifier.MarkedState, good }, []map[string]string{{"Status": "Unresolved", "Description": "verifier: failed"}}, []string{"resolve"}, "released 1.4.2"},
		{"dismissed, and others block it", func(o *Order) { o.State, o.Verification.Mark = verifier.MarkedState, good }, []map[string]string{{"Status": "Unresolved", "Description": "no"}}, nil, "nothing: the release is not blocked by verifier"},
		{"dismissed before it was blocked", func(o *Order) { o.Verification.Mark = good }, nil, nil, "nothing: the release is not blocked by verifier"},
		{"marked bad", func(o *Order) { o.State, o.Verification.Mark = verifier.MarkedState, bad }, nil, []string{"block verifier: marked bad in staging by ben: loses orders https://v/1"}, "blocked 1.4.2"},
		{"in production", func(o *Order) { o.Verification.Deploy.Environment = "production" }, nil, nil, "nothing: its verdicts block no release"},
		{"a configuration", func(o *Order) { o.Verification.Deploy.Change = verifier.Config }, nil, nil, "nothing: its verdicts block no release"},
		{"not of Octopus", func(o *Order) { o.Service = "cart" }, nil, nil, "nothing: there is no release 1.4.2 of cart in Octopus"},
		{"no such release", func(o *Order) { o.Verification.Deploy.Version = "9" }, nil, nil, "nothing: there is no release 9 of shop.web in Octopus"},
	} {
		f.defects, f.calls = step.before, nil
		o := order
		step.change(&o)
		said, err := sink.Write(t.Context(), o)
		if err != nil || said != step.said || !slices.Equal(f.calls, step.calls) {
			t.Errorf("%s: said %q, %v, called %q; want %q and %q", step.name, said, err, f.calls, step.said, step.calls)
		}
	}
	for status, temporary := range map[int]bool{401: false, 404: false, 429: true, 500: true} {
		f.status = status
		if _, err := sink.Write(t.Context(), order); err == nil || errors.Is(err, verifier.ErrTemporary) != temporary {
			t.Errorf("%d: %v, want temporary %v", status, err, temporary)
		}
	}
}

func TestOctopusConfig(t *testing.T) {
	for want, c := range map[string]OctopusConfig{
		"url: is missing":                      {},
		"url: is not a URL (try https://host)": {URL: "octopus", Key: "k", Environments: []string{"staging"}},
		"key: is missing":                      {URL: "https://x.example.com", Environments: []string{"staging"}},
		"environments: are missing":            {URL: "https://x.example.com", Key: "k"},
	} {
		if _, err := NewOctopus(c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
