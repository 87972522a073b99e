package verifier_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestDeployHasNoZeroTimes writes what nobody said as null or not at all, and reads it back.
func TestDeployHasNoZeroTimes(t *testing.T) {
	d := verifier.Deploy{ID: "d1", At: time.Date(2026, 11, 24, 14, 2, 0, 0, time.UTC), Told: verifier.Told{"team": {}, "by": time.Date(2026, 11, 24, 14, 3, 0, 0, time.UTC)}}
	text, err := json.Marshal(d)
	if err != nil || strings.Contains(string(text), "0001-01-01") || strings.Contains(string(text), "recorded_at") {
		t.Errorf("%s (%v)", text, err)
	}
	for _, kept := range []string{string(text), strings.Replace(string(text), `"team":null`, `"team":"0001-01-01T00:00:00Z"`, 1)} { // as earlier versions wrote it
		var back verifier.Deploy
		if err := json.Unmarshal([]byte(kept), &back); err != nil {
			t.Fatal(err)
		}
		if at, told := back.Told["team"]; !told || !at.IsZero() || !back.Told["by"].Equal(d.Told["by"]) {
			t.Errorf("read back as %v", back.Told)
		}
	}
}
