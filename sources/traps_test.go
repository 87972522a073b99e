package sources

import (
	"slices"
	"testing"
)

// traps are what other tools were seen to fall into, with the faults of the table that hold us to better. Each is run by TestFaults through
// a whole watch, once under a rule that a great number would fail and once under one that a small number would. Two more are watches of
// their own: TestOutageInTheMiddleOfAWatch (a provider that answers 503 for 60 s aborts the deploy: Argo Rollouts; counts as a bad value:
// Flagger) and TestWatchWithoutAMeasurement (a watch ended before its first measurement is a success: Argo Rollouts).
var traps = map[string][]string{
	"an answer 503 aborts, or is a bad value (Argo Rollouts, Flagger)":             {"prometheus/503", "loki/503"},
	"NaN fails or passes by which condition is written (Argo Rollouts)":            {"prometheus/NaN", "loki/NaN", "embedded/NaN", "http/NaN", "command/NaN"},
	"NaN and nothing pass with full score (Keptn)":                                 {"prometheus/NaN", "prometheus/empty vector", "http/nothing"},
	"timed_out reads as 0.0 (Keptn)":                                               {"elasticsearch/timed_out without failed shards", "elasticsearch/patterns, timed out"},
	"four of five failed shards read as 0.0 (Keptn)":                               {"elasticsearch/partial shards"},
	"HTTP 500 is the metric 500.0 (Keptn)":                                         {"http/500", "prometheus/500", "elasticsearch/500", "newrelic/500", "loki/500"},
	"of two matching paths a random one is taken (Keptn)":                          {"http/two values", "http/one key twice"},
	"of two series the last one is taken (Flagger)":                                {"prometheus/two series", "loki/two series", "embedded/two series"},
	"an empty vector indexed by result[0] is an error that aborts (Argo Rollouts)": {"prometheus/empty vector"},
}

// TestTrapsOfPeers: the table holds a fault for each trap.
func TestTrapsOfPeers(t *testing.T) {
	for trap, names := range traps {
		for _, name := range names {
			if !slices.ContainsFunc(faults, func(f fault) bool { return f.kind+"/"+f.name == name }) {
				t.Errorf("%s: the table has no fault %s", trap, name)
			}
		}
	}
}
