package sinks

import (
	"context"
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
