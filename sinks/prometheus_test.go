package sinks

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"verifier"
)

func TestMetricsHaveTheirNames(t *testing.T) {
	p := NewPrometheus("1.0.0", func(context.Context) (int, int, error) { return 3, 2, nil })
	d := verifier.Deploy{Place: verifier.Place{Service: "checkout", Environment: "production"}, Kind: verifier.KindRelease, Status: verifier.Succeeded}
	p.Recorded(d)
	failed := verifier.Verification{Deploy: d, State: verifier.FailedState, Rollback: &verifier.Rollback{State: verifier.RollbackSent}}
	p.Moved(verifier.Verification{State: verifier.Observing}, failed)
	p.Moved(failed, failed)
	p.Woke(20 * time.Millisecond)
	p.Asked("logs", "ok", time.Second)
	p.Lag("logs", 30*time.Second)
	p.Acted(verifier.ActionAlert, "ok")
	p.Loaded(4, true)

	answer := httptest.NewRecorder()
	p.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`verifier_deploys_total{environment="production",kind="release",service="checkout",status="succeeded"} 1`,
		`verifier_verifications_total{environment="production",service="checkout",state="failed"} 1`,
		`verifier_rollbacks_total{environment="production",service="checkout",state="sent"} 1`,
		`verifier_verifications_active 3`, `verifier_actions_waiting 2`, `verifier_wake_lateness_seconds_count 1`,
		`verifier_query_seconds_count{source="logs"} 1`, `verifier_queries_total{result="ok",source="logs"} 1`,
		`verifier_source_lag_seconds{source="logs"} 30`, `verifier_actions_total{kind="alert",result="ok"} 1`,
		`verifier_rules_loaded 4`, `verifier_rules_reload_failed 1`, `verifier_build_info{version="1.0.0"} 1`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("/metrics has no line %s", want)
		}
	}
}

func metricsOf(t *testing.T, p *Prometheus) string {
	t.Helper()
	answer := httptest.NewRecorder()
	p.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	return answer.Body.String()
}

func newMetrics() *Prometheus {
	return NewPrometheus("1.0.0", func(context.Context) (int, int, error) { return 0, 0, nil })
}

// TestCountersBeginAtZero shows every state of a known place before anything happened there.
func TestCountersBeginAtZero(t *testing.T) {
	p := newMetrics()
	p.Known([]verifier.Deploy{{Place: verifier.Place{Service: "checkout", Environment: "production", Target: "eu"}}})
	p.Recorded(verifier.Deploy{Place: verifier.Place{Service: "cart", Environment: "staging"}, Kind: verifier.KindRelease, Status: verifier.Succeeded})
	p.Configured([]string{"octopus"}, []string{"logs"})
	body := metricsOf(t, p)
	var want []string
	for _, at := range []string{`environment="production",service="checkout"`, `environment="staging",service="cart"`} {
		for _, s := range verifier.RollbackStates {
			want = append(want, `verifier_rollbacks_total{`+at+`,state="`+string(s)+`"} 0`)
		}
		for _, s := range verifier.States {
			want = append(want, `verifier_verifications_total{`+at+`,state="`+string(s)+`"} 0`)
		}
		want = append(want, `verifier_deploys_overdue_total{`+at+`} 0`)
	}
	want = append(want, `verifier_deploys_total{environment="production",kind="rollback",service="checkout",status="succeeded"} 0`,
		`verifier_deploys_total{environment="staging",kind="release",service="cart",status="succeeded"} 1`, `verifier_actions_total{kind="rollback",result="given_up"} 0`,
		`verifier_deliveries_total{outcome="refused",tool="octopus"} 0`, `verifier_queries_total{result="source_down",source="logs"} 0`)
	for _, line := range want {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("/metrics has no line %s", line)
		}
	}
}

// TestLabelsFromOutsideAreCapped sends more services than are told apart, and names that are too long or no text.
func TestLabelsFromOutsideAreCapped(t *testing.T) {
	p := newMetrics()
	for i := range 3 * mostPlaces {
		p.Recorded(verifier.Deploy{Place: verifier.Place{Service: fmt.Sprint("s", i), Environment: "production"}, Kind: verifier.KindRelease, Status: verifier.Succeeded})
	}
	body := metricsOf(t, p)
	if n := strings.Count(body, `state="recovered"`); n != mostPlaces+1 {
		t.Errorf("%d places have series, want %d", n, mostPlaces+1)
	}
	if want := fmt.Sprintf(`verifier_deploys_total{environment="_other",kind="release",service="_other",status="succeeded"} %d`, 2*mostPlaces); !strings.Contains(body, want) {
		t.Errorf("/metrics has no line %s", want)
	}

	p = newMetrics()
	p.Recorded(verifier.Deploy{Place: verifier.Place{Service: strings.Repeat("é", 200), Environment: "a\xffb"}, Kind: verifier.KindRelease, Status: verifier.Succeeded})
	if body := metricsOf(t, p); !strings.Contains(body, `service="`+strings.Repeat("é", mostLabel/2)+`…"`) || !strings.Contains(body, `environment="a�b"`) {
		t.Errorf("labels: %.3000s", body)
	}
}

// TestRollbackMoves tells the states that a rollback came to.
func TestRollbackMoves(t *testing.T) {
	at := func(s verifier.RollbackState, number int) *verifier.Rollback {
		return &verifier.Rollback{State: s, Number: number}
	}
	for _, c := range []struct {
		before, after *verifier.Rollback
		want          string
	}{
		{nil, nil, "[]"},
		{nil, at(verifier.RollbackProposed, 1), "[proposed]"},
		{at(verifier.RollbackProposed, 1), at(verifier.RollbackProposed, 1), "[]"},
		{at(verifier.RollbackProposed, 1), at(verifier.RollbackSent, 1), "[approved sent]"},
		{nil, at(verifier.RollbackSent, 1), "[approved sent]"},
		{at(verifier.RollbackApproved, 1), at(verifier.RollbackSent, 1), "[sent]"},
		{at(verifier.RollbackSent, 1), at(verifier.RollbackRefused, 1), "[refused]"},
		{at(verifier.RollbackRefused, 1), at(verifier.RollbackRefused, 2), "[refused]"},
	} {
		if got := fmt.Sprint(RollbackMoves(c.before, c.after)); got != c.want {
			t.Errorf("from %+v to %+v: %s, want %s", c.before, c.after, got, c.want)
		}
	}
}
