package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

// TestJoinResults keeps the last of each name, and refuses too many names before it looks at the rest.
func TestJoinResults(t *testing.T) {
	at := func(name string, minute, failed int) verifier.TestResult {
		return verifier.TestResult{Name: name, Tests: 9, Failed: failed, At: time.Date(2026, 11, 24, 10, minute, 0, 0, time.UTC)}
	}
	all, news, err := joinResults([]verifier.TestResult{at("a", 1, 1), at("b", 5, 1)}, []verifier.TestResult{at("a", 2, 2), at("b", 4, 2), at("c", 1, 0), at("a", 3, 3)})
	want := []verifier.TestResult{at("b", 5, 1), at("a", 3, 3), at("c", 1, 0)}
	if diff := cmp.Diff(want, all); diff != "" || err != nil || len(news) != 2 {
		t.Errorf("%v, news %v (-want +got)\n%s", err, news, diff)
	}
	if _, _, err := joinResults(nil, manyResults(maxResults+1)); err == nil || err.Error() != "name: is the 51th of this verification; at most 50 are kept" {
		t.Errorf("%v", err)
	}
	same := manyResults(200_000)
	for i := range same {
		same[i].Name = "smoke"
	}
	if all, news, err := joinResults(nil, same); err != nil || len(all) != 1 || len(news) != 1 {
		t.Errorf("%d results, %d of them new, %v", len(all), len(news), err)
	}
}

func manyResults(n int) []verifier.TestResult {
	list := make([]verifier.TestResult, n)
	for i := range list {
		list[i].Name = fmt.Sprint("t", i)
	}
	return list
}

// BenchmarkJoinResults is what 200,000 results of one request cost inside the transaction: no more than the first 51 of them.
func BenchmarkJoinResults(b *testing.B) {
	list := manyResults(200_000)
	for b.Loop() {
		if _, _, err := joinResults(nil, list); err == nil {
			b.Fatal("they are taken")
		}
	}
}
