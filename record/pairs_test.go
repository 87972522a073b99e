package record_test

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/record"
)

// kindAfter is what a deploy of a version turns out to be right after the others, none of which was there before.
func kindAfter(versions ...string) verifier.Kind {
	var deploys []verifier.Deploy
	for i, v := range versions {
		deploys = append(deploys, verifier.Deploy{
			ID: v, Place: verifier.Place{Service: "shop", Environment: "production"}, Version: v,
			Status: verifier.Succeeded, Change: verifier.Release, At: at(i),
		})
	}
	all := record.Recount(deploys, record.Auto)
	return all[len(all)-1].Kind
}

// TestRealworldVersionOrder holds each pair of testdata/realworld/version-order against its kind, and against the way back.
func TestRealworldVersionOrder(t *testing.T) {
	f, err := os.Open("../testdata/realworld/version-order/pairs.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		if strings.HasPrefix(lines.Text(), "#") || len(fields) != 3 {
			continue
		}
		n++
		if got := kindAfter(fields[0], fields[1]); string(got) != fields[2] {
			t.Errorf("%s after %s is a %s, not a %s", fields[1], fields[0], got, fields[2])
		}
		if got := kindAfter(fields[0], fields[1], fields[0]); got != verifier.KindRollback {
			t.Errorf("back from %s to %s is a %s", fields[1], fields[0], got)
		}
	}
	if n < 25 {
		t.Errorf("%d pairs", n)
	}
}

func TestKindAfter(t *testing.T) {
	const release, rollback, redeploy = verifier.KindRelease, verifier.KindRollback, verifier.KindRedeploy
	for _, c := range []struct {
		first, then string
		kind        verifier.Kind
	}{
		// spelling
		{"1.10.0", "v1.10.0", redeploy},
		{"V1.10.0", "1.10", redeploy},
		{"v1.10.0", "1.9.0", rollback},
		{"1.0.0-RC1", "1.0.0-rc1", redeploy},
		{"v1.4", "1.4.0.0", redeploy},
		{"v2", "2.0.0", redeploy},
		{"2024.05.01", "2024.5.1", redeploy},
		{"1.4.0-rc1", "v1.4-rc1", redeploy},
		{"release-v1.4.0", "release-1.4", redeploy},
		{"9FCEB02", "9fceb02", redeploy},
		{"v12", "12", redeploy},
		{"1.10.0", "1.1", rollback},
		{"1.0.x", "1.x", release},
		{"1.2.3", "12.3", release},

		// numbers
		{"99", "100", release},
		{"100", "99", rollback},
		{"v100", "v99", rollback},
		{"build-100", "build-99", release}, // no dot
		{"1.2.3.4.5", "1.2.3.4.6", release},
		{"1.2.3.1", "1.2.3", rollback},
		{"2024.12.31", "2025.1.1", release},
		{"2025.1.1", "2024.12.31", rollback},
		{"20240501.2", "20240501.10", release},
		{"20240501.10", "20240501.2", rollback},
		{"release-2024.05.10", "release-2024.05.2", rollback},
		{"release/1.4.2", "release/1.4.1", rollback},
		{"checkout@1.9.0", "checkout@1.10.0", release},
		{"release-1.5.0", "hotfix-1.4.1", release}, // other words
		{"1.4.2-9-prod", "1.4.2-8-prod", rollback},
		{"1:1.0.0", "1:1.0.1", release},
		{"2.5.0", "1:1.0.0", release},
		{"1:1.0.0", "2.5.0", rollback},
		{"1.2.3-1", "1.2.3-2", release},
		{"1.2.3-1+deb11u1", "1.2.3-1+deb11u2", release},
		{"1.2.3-1ubuntu1", "1.2.3-1ubuntu2", release},
		{"1.4.2+7", "1.4.2+8", release},
		{"1.4.2+8", "1.4.2+7", release}, // a build of the same number
		{"1.4.2_1", "1.4.2", release},
		{"1.0.0-ci102", "1.0.0-ci101", rollback},

		// before the plain version
		{"1.0.0", "1.0.0-rc1", rollback},
		{"1.0.0", "1.0.0-SNAPSHOT", rollback},
		{"1.0.0", "1.0.0.dev3", rollback},
		{"1.0.0", "1.0.0rc1", rollback},
		{"1.0.0", "1.0.0~beta1", rollback},
		{"1.0.0", "1.0.0-preview.2", rollback},
		{"1.0.0", "1.0.0-milestone-2", rollback},
		{"1.0.0-SNAPSHOT", "1.0.0", release},
		{"1.0.0-rc10", "1.0.0-rc9", rollback},
		{"1.0.0rc9", "1.0.0rc10", release},
		{"1.0.0-beta.10", "1.0.0-beta.9", rollback},
		{"1.0.0-alpha", "1.0.0-alpha.1", release},
		{"1.0.0-alpha", "1.0.0-beta", release},
		{"1.0.0-beta.11", "1.0.0-rc.1", release},
		{"1.0.0-rc.1", "1.0.0-beta.11", rollback},
		{"1.0.0-rc.1", "1.0.0-SNAPSHOT", release}, // nobody knows
		{"1.0.0.CR2", "1.0.0.Final", release},
		{"1.0.0.Final", "1.0.0.CR2", rollback},
		{"1.0.0.RELEASE", "1.0.1.RELEASE", release},
		{"1.0.0.Final", "1.0.0.SP1", release},
		{"1.0.0.SP1", "1.0.0.Final", rollback},
		{"1.0.Final", "1.0.1.Final", release},
		{"Hoxton.SR9", "Hoxton.SR10", release},
		{"Greenwich.SR6", "Hoxton.RELEASE", release},
		{"Hoxton.SR12", "2020.0.1", release},

		// after the plain version
		{"1.4.2-hotfix1", "1.4.2", rollback},
		{"1.4.2-hotfix9", "1.4.2-hotfix10", release},
		{"1.4.2-hotfix", "1.4.2-hotfix2", release},
		{"1.4.2", "1.4.2-HOTFIX.1", release},
		{"1.4.2", "1.4.2.post1", release},
		{"1.4.2", "1.4.2-p1", release},
		{"1.4.2", "1.4.2-patch-3", release},
		{"1.4.2", "1.4.2h1", release},
		{"7.9.0-h2", "7.9.0", rollback},
		{"1.4.2-rc1", "1.4.2-hotfix1", release},
		{"1.4.2-hotfix1", "1.4.3", release},
		{"1.4.3", "1.4.2-hotfix1", rollback},
		{"v1.2.3-14-gabc1234", "v1.2.3", rollback},
		{"v1.2.3-14-gabc1234", "v1.2.4", release},
		{"v1.2.3-9-gabc1234", "v1.2.3-10-gdef5678", release},
		{"v1.2.3-rc1", "v1.2.3-rc1-3-gabc1234", release},
		{"v1.2.3-rc1-3-gabc1234", "v1.2.3", release},

		// nobody knows
		{"1.4.2-1", "1.4.2", release},
		{"1.4.2", "1.4.2-hotfix-login.3", release},
		{"1.4.2-hotfix-login.3", "1.4.2", release},
		{"1.4.2-hotfix-login.3", "1.4.2-main.900", release},
		{"1.4.2-hotfix-login.3", "1.4.2-hotfix-cart.1", release},
		{"1.4.2-alpine", "1.4.2", release},
		{"1.4.2-alpine", "1.4.2-slim", release},
		{"1.4.3-alpine", "1.4.2-alpine", rollback},
		{"1.4.2-def5678", "1.4.2-abc1234", release},
		{"1.4.2-4e5f6a", "1.4.2-3c1d2e", release},
		{"1.4.9fceb02", "1.4.8abcdef", release},
		{"9fceb02.5", "8abcdef.4", release},
		{"main.9fceb02", "main.8abcdef", release},
		{"main.813", "main.812", rollback},
		{"feature-login", "main", release},
		{"2024-05-02", "2024-05-01", release},
		{"latest", "stable", release},
		{"1.4.x", "1.4.2", release},
		{"1.4.2", "1.4.x", release},
	} {
		if got := kindAfter(c.first, c.then); got != c.kind {
			t.Errorf("%s after %s is a %s, not a %s", c.then, c.first, got, c.kind)
		}
	}
}

// TestSpellingIsNoNewVersion: what is known of a version holds for all its spellings.
func TestSpellingIsNoNewVersion(t *testing.T) {
	place := verifier.Place{Service: "shop", Environment: "production"}
	deploy := func(minute int, version string, kind verifier.Kind, previous string) verifier.Deploy {
		return verifier.Deploy{
			ID: version, Place: place, Version: version, Status: verifier.Succeeded, Change: verifier.Release, At: at(minute), Kind: kind, Previous: previous,
		}
	}
	history := []verifier.Past{
		{Deploy: deploy(3, "v1.2.0", verifier.KindRelease, "1.0.0"), State: verifier.FailedState},
		{Deploy: deploy(2, "1.0.0", verifier.KindRollback, "v1.1"), State: verifier.Passed},
		{Deploy: deploy(1, "v1.1", verifier.KindRelease, "1"), State: verifier.Passed},
		{Deploy: deploy(0, "1", verifier.KindRelease, ""), State: verifier.Passed},
	}
	if !record.Condemned(history, "1.1.0") || !record.Condemned(history, "1.2") || record.Condemned(history, "v1.0") {
		t.Error("known bad goes by spelling")
	}
	if to, _ := record.LastGood(history, deploy(9, "1.2", "", "")); to != "1.0.0" {
		t.Errorf("back from 1.2 to %q", to)
	}
	if crossed := record.Crossed(history, history[0].Deploy, "v1.0"); len(crossed) != 0 {
		t.Errorf("crossed %v", crossed)
	}
	if live, _ := record.Live(history, time.Now()); !record.Same(live, "1.2") {
		t.Errorf("%s is live", live)
	}
}
