package sinks

import (
	"strings"
	"testing"

	"verifier"
)

func gitLabOpen(t *testing.T, url string) (Sink, error) {
	return NewGitLab(GitLabConfig{URL: url, Token: "hush"}, wayOut(t))
}

func TestGitLabStatuses(t *testing.T) {
	for state, want := range map[verifier.State]string{
		verifier.Waiting:        `"running","description":"1.4.2 is watched in production"`,
		verifier.Passed:         `"success","description":"passed"`,
		verifier.FailedState:    `"failed","description":"failed: Error ratio 3.1 %; 0.4 % before."`,
		verifier.Undecided:      `"canceled","description":"inconclusive"`,
		verifier.Superseded:     `"canceled","description":"superseded"`,
		verifier.CancelledState: `"canceled","description":"cancelled"`,
	} {
		f := newFake(t, always(201, `{}`))
		s, err := gitLabOpen(t, f.URL)
		if err != nil {
			t.Fatal(err)
		}
		o := order(state)
		o.Verification.Deploy.Repository = "https://gitlab.com/shop/web/checkout.git"
		if _, err := s.Write(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		c := f.only(t, 1)[0]
		if c.Method != "POST" || c.Path != "/api/v4/projects/shop%2Fweb%2Fcheckout/statuses/f95f852bd8fca8fcc58a9a2d6c842781e32a215e" || c.Header.Get("Private-Token") != "hush" {
			t.Errorf("%s: %+v", state, c)
		}
		sameJSON(t, c.Body, `{"name":"verifier/checkout/production","target_url":"https://v/verifications/github:42","state":`+want+`}`)
	}
}

func TestGitLabHasNothingToWrite(t *testing.T) {
	f := newFake(t, always(400, `{"message":"Cannot transition status via :run from :running"}`))
	s, err := gitLabOpen(t, f.URL)
	if err != nil || wants(s) != "waiting "+allVerdicts {
		t.Fatalf("wants %s, %v", wants(s), err)
	}
	o := order(verifier.Waiting)
	if said, err := s.Write(t.Context(), o); err != nil || said != "commit status running stood there" {
		t.Errorf("what stands there already: %q, %v", said, err)
	}
	for _, page := range []string{"", "checkout", "https://gitlab.com/checkout", "https://gitlab.com/a/..", "https://gitlab.com/a/b c"} {
		o.Verification.Deploy.Repository = page
		if said, err := s.Write(t.Context(), o); err != nil || said != "the deploy names no repository of GitLab's" {
			t.Errorf("%s: %q, %v", page, said, err)
		}
	}
	o = order(verifier.Passed)
	o.Verification.Deploy.Commit = "f95f852"
	if said, err := s.Write(t.Context(), o); err != nil || !strings.Contains(said, "no whole commit") {
		t.Errorf("%q, %v", said, err)
	}
	checkRetries(t, func(url string) (Sink, error) { return gitLabOpen(t, url) }, order(verifier.Passed), map[string]bool{"400": false, "401": false, "404": false, "429": true, "500": true})
}
