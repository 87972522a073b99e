package sinks

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"verifier"
)

func gitHubOpen(t *testing.T, url string) (Sink, error) {
	return NewGitHub(GitHubConfig{URL: url + "/api/v3", Token: "hush"}, wayOut(t))
}

func TestGitHubStatuses(t *testing.T) {
	const (
		commit     = "/api/v3/repos/shop/checkout/statuses/f95f852bd8fca8fcc58a9a2d6c842781e32a215e"
		deployment = "/api/v3/repos/shop/checkout/deployments/42/statuses"
	)
	status := func(state, description string) string {
		return `{"state":"` + state + `","context":"verifier/checkout/production","description":"` + description + `","target_url":"https://v/verifications/github:42"}`
	}
	own := func(state, description string) string {
		return `{"state":"` + state + `","description":"verifier: ` + description + `","auto_inactive":false,"log_url":"https://v/verifications/github:42"}`
	}
	for _, tt := range []struct {
		state verifier.State
		want  [][2]string
	}{
		{verifier.Waiting, [][2]string{{commit, status("pending", "1.4.2 is watched in production")}}},
		{verifier.Passed, [][2]string{{commit, status("success", "passed")}, {deployment, own("success", "passed")}}},
		{verifier.FailedState, [][2]string{
			{commit, status("failure", "failed: Error ratio 3.1 %; 0.4 % before.")}, {deployment, own("failure", "failed: Error ratio 3.1 %; 0.4 % before.")},
		}},
		{verifier.Undecided, [][2]string{{commit, status("error", "inconclusive")}}},
		{verifier.Superseded, [][2]string{{commit, status("error", "superseded")}}},
		{verifier.CancelledState, [][2]string{{commit, status("error", "cancelled: no_end")}}},
	} {
		f := newFake(t, always(201, `{}`))
		s, err := gitHubOpen(t, f.URL)
		if err != nil {
			t.Fatal(err)
		}
		o := order(tt.state)
		if tt.state == verifier.CancelledState {
			o.Verification.Reason = "no_end"
		}
		if _, err := s.Write(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		for i, c := range f.only(t, len(tt.want)) {
			if c.Method != "POST" || c.Path != tt.want[i][0] || c.Header.Get("Authorization") != "Bearer hush" || c.Header.Get("X-GitHub-Api-Version") == "" {
				t.Errorf("%s: %+v", tt.state, c)
			}
			sameJSON(t, c.Body, tt.want[i][1])
		}
	}
}

func TestGitHubWritesOnlyWhatItCan(t *testing.T) {
	no := false
	for _, tt := range []struct {
		name   string
		config GitHubConfig
		change func(*verifier.Deploy)
		want   string
	}{
		{"no repository", GitHubConfig{}, func(d *verifier.Deploy) { d.Repository = "" }, ""},
		{"a repository elsewhere", GitHubConfig{}, func(d *verifier.Deploy) { d.Repository = "https://git/a/b/c" }, ""},
		{"an escape", GitHubConfig{}, func(d *verifier.Deploy) { d.Repository = "https://git/a/.." }, ""},
		{"a short commit", GitHubConfig{}, func(d *verifier.Deploy) { d.Commit = "f95f852" }, "/repos/shop/checkout/deployments/42/statuses"},
		{"another tool's deploy", GitHubConfig{}, func(d *verifier.Deploy) { d.ID = "api-1" }, "/repos/shop/checkout/statuses/f95f852bd8fca8fcc58a9a2d6c842781e32a215e"},
		{"no commits", GitHubConfig{Commits: &no}, func(*verifier.Deploy) {}, "/repos/shop/checkout/deployments/42/statuses"},
		{"no deployments", GitHubConfig{Deployments: &no}, func(d *verifier.Deploy) { d.Repository += ".git" }, "/repos/shop/checkout/statuses/f95f852bd8fca8fcc58a9a2d6c842781e32a215e"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, always(201, `{}`))
			tt.config.URL, tt.config.Token = f.URL, "hush"
			s, err := NewGitHub(tt.config, wayOut(t))
			if err != nil {
				t.Fatal(err)
			}
			o := order(verifier.Passed)
			tt.change(&o.Verification.Deploy)
			if _, err := s.Write(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, c := range f.calls {
				paths = append(paths, c.Path)
			}
			if got := strings.Join(paths, " "); got != tt.want {
				t.Errorf("called %q, want %q", got, tt.want)
			}
		})
	}
}

func TestGitHubRetries(t *testing.T) {
	checkRetries(t, func(url string) (Sink, error) { return gitHubOpen(t, url) }, order(verifier.Passed), map[string]bool{
		"401 no": false, "403 no": false, "404 no": false, "422 no such commit": false, "429 later": true, "500 x": true,
		`403 {"message":"You have exceeded a secondary rate limit."}`: true,
	})
	limited := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "slow down")
	}))
	defer limited.Close()
	s, err := gitHubOpen(t, limited.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Write(t.Context(), order(verifier.Passed))
	var later *verifier.TemporaryError
	if !errors.As(err, &later) || later.After != 30*time.Second {
		t.Errorf("%v, want another try in 30 s", err)
	}
}

func TestGitHubConfig(t *testing.T) {
	no := false
	bad := func(c GitHubConfig) error { _, err := NewGitHub(c, nil); return err }
	checkProblems(t, map[string]error{
		"token: is missing; write token_file":     bad(GitHubConfig{}),
		"url: is not a URL (try https://host)":    bad(GitHubConfig{URL: "x", Token: "x"}),
		"commits: and deployments are both false": bad(GitHubConfig{Token: "x", Commits: &no, Deployments: &no}),
		"token: read secret":                      bad(GitHubConfig{TokenFile: "/not/there"}),
	})
	s, err := NewGitHub(GitHubConfig{Token: "x"}, nil)
	if err != nil || wants(s) != "waiting "+allVerdicts || !s.OnlyWhile(verifier.Waiting) || s.OnlyWhile(verifier.Passed) {
		t.Errorf("%v, wants %q", err, wants(s))
	}
}
