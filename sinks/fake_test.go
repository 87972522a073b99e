package sinks

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
	"verifier/outbound"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// order is the verdict on a deploy that failed one rule and passed another.
func order(state verifier.State) Order {
	value, limit := 0.031, 0.01
	decidedAt := noon.Add(5 * time.Minute)
	v := verifier.Verification{
		ID: "github:42", State: state, From: noon, DecidedAt: &decidedAt,
		Deploy: verifier.Deploy{
			ID: "github:42", Place: verifier.Place{Service: "checkout", Environment: "production"}, Version: "1.4.2", Previous: "1.4.1", At: noon,
			Change: verifier.Release, Kind: verifier.KindRelease, Status: verifier.Succeeded, Commit: "f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
			Repository: "https://github.com/shop/checkout", By: "anna", Team: "payments", Group: "g1",
		},
		Findings: []verifier.Finding{
			{
				Rule: "error-ratio", Outcome: verifier.Fail, Reason: verifier.IsWorse, Text: "Error ratio 3.1 %; 0.4 % before.", Value: &value, Limit: &limit, Unit: "1",
				Count: 47, Exposure: 1520, From: noon, To: decidedAt, Query: "status:>=500", Link: "https://kibana/x", OnFail: verifier.FailRollback, Severity: verifier.SeverityPage,
			},
			{Rule: "response-time", Outcome: verifier.Pass, Text: "Fine.", From: noon, To: decidedAt, OnFail: verifier.FailAlert, Severity: verifier.SeverityWarn},
		},
		Rollback: &verifier.Rollback{State: verifier.RollbackProposed, To: "1.4.1"},
	}
	return Order{Key: "sink/out/github:42/" + string(state), SinkOrder: verifier.SinkOrder{
		Sink: "out", State: state, Service: "Checkout (production)", At: noon.Add(6 * time.Minute), URL: "https://v/verifications/github:42", Verification: v,
	}}
}

// call is one request that a fake took.
type call struct {
	Method, Path string
	Header       http.Header
	Body         string
}

// fake answers each request by what answer says of it, and keeps them all.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []call
	answer func(c call) (status int, body string)
}

func newFake(t *testing.T, answer func(c call) (int, string)) *fake {
	t.Helper()
	f := &fake{answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c := call{r.Method, r.URL.RequestURI(), r.Header, string(body)}
		f.mu.Lock()
		f.calls = append(f.calls, c)
		f.mu.Unlock()
		status, said := f.answer(c)
		w.WriteHeader(status)
		io.WriteString(w, said)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) only(t *testing.T, n int) []call {
	t.Helper()
	if len(f.calls) != n {
		t.Fatalf("%d calls, want %d: %+v", len(f.calls), n, f.calls)
	}
	return f.calls
}

func always(status int, body string) func(call) (int, string) {
	return func(call) (int, string) { return status, body }
}

// sameJSON compares whole bodies.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func wayOut(t *testing.T) http.RoundTripper {
	t.Helper()
	rt, err := outbound.New(outbound.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// checkRetries says which answers are worth another try.
func checkRetries(t *testing.T, open func(url string) (Sink, error), o Order, answers map[string]bool) {
	t.Helper()
	for said, again := range answers {
		f := newFake(t, nil)
		f.answer = func(call) (int, string) {
			status, body, _ := strings.Cut(said, " ")
			return map[string]int{"200": 200, "400": 400, "401": 401, "403": 403, "404": 404, "422": 422, "429": 429, "500": 500, "503": 503}[status], body
		}
		s, err := open(f.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Write(t.Context(), o)
		if err == nil || errors.Is(err, verifier.ErrTemporary) != again {
			t.Errorf("%s: %v; want it tried again: %t", said, err, again)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("the secret is in %v", err)
		}
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s, err := open(gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Write(t.Context(), o); !errors.Is(err, verifier.ErrTemporary) {
		t.Errorf("no answer: %v; want it tried again", err)
	}
}

func checkProblems(t *testing.T, problems map[string]error) {
	t.Helper()
	for want, err := range problems {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func wants(s Sink) string {
	var list []string
	for _, state := range verifier.States {
		if s.Wants(state) {
			list = append(list, string(state))
		}
	}
	return strings.Join(list, " ")
}

const allVerdicts = "passed failed inconclusive superseded cancelled"
