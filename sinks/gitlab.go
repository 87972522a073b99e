package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"verifier"
	"verifier/outbound"
)

// GitLabConfig is GitLab, where commit statuses are written.
type GitLabConfig struct {
	URL       string          `yaml:"url"`   // default https://gitlab.com
	Token     outbound.Secret `yaml:"token"` // with the scope api
	TokenFile string          `yaml:"token_file"`
}

// GitLab writes commit statuses.
type GitLab struct {
	url    string
	header http.Header
	client *http.Client
}

// NewGitLab makes the sink; it calls nobody.
func NewGitLab(c GitLabConfig, rt http.RoundTripper) (*GitLab, error) {
	at, err := address("url", cmp.Or(c.URL, "https://gitlab.com"))
	if err != nil {
		return nil, err
	}
	token, err := outbound.ReadSecret(c.Token.Reveal(), c.TokenFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("token: %w", err)
	case token == "":
		return nil, verifier.Invalid("token", "is missing; write token_file with a token that may write commit statuses")
	}
	return &GitLab{at, http.Header{"Private-Token": {token.Reveal()}}, outbound.Client(rt, 0)}, nil
}

// Wants takes the beginning and verdicts.
func (g *GitLab) Wants(s verifier.State) bool { return s == verifier.Waiting || isVerdict(s) }

// OnlyWhile says that running must not be written over a verdict.
func (g *GitLab) OnlyWhile(s verifier.State) bool { return s == verifier.Waiting }

// gitLabStates are the states of commit statuses. What could not be told is no success.
var gitLabStates = map[verifier.State]string{
	verifier.Waiting: "running", verifier.Passed: "success", verifier.FailedState: "failed",
	verifier.Undecided: "canceled", verifier.Superseded: "canceled", verifier.CancelledState: "canceled",
}

// gitLabText is the most that a description may hold.
const gitLabText = 255

// Write sets the status of the commit. GitLab refuses a status that stands there already: then it is written.
func (g *GitLab) Write(ctx context.Context, o Order) (string, error) {
	d := o.Verification.Deploy
	project := gitLabProject(d.Repository)
	switch {
	case project == "":
		return "the deploy names no repository of GitLab's", nil
	case !fullSHA.MatchString(d.Commit):
		return "no commit status: the deploy names no whole commit", nil
	}
	place := d.Service + "/" + d.Environment
	if d.Target != "" {
		place += "/" + d.Target
	}
	state := gitLabStates[o.State]
	body := map[string]string{"state": state, "name": "verifier/" + place, "description": cut(describe(o), gitLabText)}
	if o.URL != "" {
		body["target_url"] = o.URL
	}
	err := outbound.JSON(ctx, g.client, http.MethodPost, g.url+"/api/v4/projects/"+url.PathEscape(project)+"/statuses/"+d.Commit, g.header, body, nil)
	var status *outbound.StatusError
	if errors.As(err, &status) && status.Code == http.StatusBadRequest && strings.Contains(status.Body, "Cannot transition status") {
		return "commit status " + state + " stood there", nil
	}
	if err != nil {
		return "", fmt.Errorf("set the commit's status: %w", err)
	}
	return "commit status " + state, nil
}

// gitLabProject is the path of a project by its page: groups may be nested.
func gitLabProject(page string) string {
	u, err := url.Parse(page)
	if err != nil || u.Host == "" {
		return ""
	}
	path, _, _ := strings.Cut(strings.Trim(strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), ".git"), "/"), "/-/")
	parts := strings.Split(path, "/")
	if len(parts) < 2 {
		return ""
	}
	for _, p := range parts {
		if !repoPart.MatchString(p) || strings.Trim(p, ".") == "" {
			return ""
		}
	}
	return path
}
