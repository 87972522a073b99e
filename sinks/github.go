package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// GitHubConfig is GitHub, or a GitHub Enterprise server, and what is written there.
type GitHubConfig struct {
	URL         string          `yaml:"url"`   // of the API; default https://api.github.com, https://HOST/api/v3 for GitHub Enterprise
	Token       outbound.Secret `yaml:"token"` // with write access to commit statuses and deployments
	TokenFile   string          `yaml:"token_file"`
	Commits     *bool           `yaml:"commits"`     // commit statuses; default true
	Deployments *bool           `yaml:"deployments"` // deployment statuses of deploys that came by GitHub's hook; default true
}

// GitHub writes commit statuses and deployment statuses.
type GitHub struct {
	url         string
	header      http.Header
	client      *http.Client
	commits     bool
	deployments bool
}

// NewGitHub makes the sink; it calls nobody.
func NewGitHub(c GitHubConfig, rt http.RoundTripper) (*GitHub, error) {
	at, err := address("url", cmp.Or(c.URL, "https://api.github.com"))
	if err != nil {
		return nil, err
	}
	token, err := outbound.ReadSecret(c.Token.Reveal(), c.TokenFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("token: %w", err)
	case token == "":
		return nil, verifier.Invalid("token", "is missing; write token_file with a token that may write commit statuses and deployments")
	}
	g := &GitHub{url: at, client: outbound.Client(rt, 0), commits: c.Commits == nil || *c.Commits, deployments: c.Deployments == nil || *c.Deployments}
	if !g.commits && !g.deployments {
		return nil, verifier.Invalid("commits", "and deployments are both false, so nothing is written; take the sink out or one of the keys")
	}
	g.header = http.Header{"Authorization": {"Bearer " + token.Reveal()}, "X-GitHub-Api-Version": {"2022-11-28"}}
	return g, nil
}

// Wants takes the beginning for pending commit statuses, and verdicts.
func (g *GitHub) Wants(s verifier.State) bool {
	return isVerdict(s) || g.commits && s == verifier.Waiting
}

// OnlyWhile says that pending must not be written over a verdict.
func (g *GitHub) OnlyWhile(s verifier.State) bool { return s == verifier.Waiting }

// Write sets the status of the commit, and of GitHub's own deployment where it was one. Setting it twice does no harm.
func (g *GitHub) Write(ctx context.Context, o Order) (string, error) {
	repo := repository(o.Verification.Deploy.Repository)
	if repo == "" {
		return "the deploy names no repository of GitHub's", nil
	}
	var done []string
	if g.commits {
		said, err := g.commitStatus(ctx, repo, o)
		if err != nil {
			return "", err
		}
		done = append(done, said)
	}
	if g.deployments {
		said, err := g.deploymentStatus(ctx, repo, o)
		if err != nil {
			return "", err
		}
		done = append(done, said)
	}
	return strings.Join(done, "; "), nil
}

// repository is owner/name of a repository's page.
func repository(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return ""
	}
	parts := strings.Split(strings.Trim(strings.TrimSuffix(u.Path, ".git"), "/"), "/")
	if len(parts) != 2 || u.Host == "" || !repoPart.MatchString(parts[0]) || !repoPart.MatchString(parts[1]) || strings.Trim(parts[1], ".") == "" {
		return ""
	}
	return parts[0] + "/" + parts[1]
}

var (
	repoPart = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)
	fullSHA  = regexp.MustCompile(`^[0-9a-fA-F]{40}([0-9a-fA-F]{24})?$`)
)

// gitHubStates are the states of commit statuses. What could not be told is an error, never a success.
var gitHubStates = map[verifier.State]string{
	verifier.Waiting: "pending", verifier.Passed: "success", verifier.FailedState: "failure",
	verifier.Undecided: "error", verifier.Superseded: "error", verifier.CancelledState: "error",
}

// gitHubText is the most that a description may hold.
const gitHubText = 140

func (g *GitHub) commitStatus(ctx context.Context, repo string, o Order) (string, error) {
	d := o.Verification.Deploy
	if !fullSHA.MatchString(d.Commit) {
		return "no commit status: the deploy names no whole commit", nil
	}
	place := d.Service + "/" + d.Environment
	if d.Target != "" {
		place += "/" + d.Target
	}
	body := map[string]string{"state": gitHubStates[o.State], "context": "verifier/" + place, "description": describe(o)}
	if o.URL != "" {
		body["target_url"] = o.URL
	}
	if err := g.post(ctx, "/repos/"+repo+"/statuses/"+d.Commit, body); err != nil {
		return "", fmt.Errorf("set the commit's status: %w", err)
	}
	return "commit status " + body["state"], nil
}

func describe(o Order) string {
	if o.State == verifier.Waiting {
		return cut(fmt.Sprintf("%s is watched in %s", o.Verification.Deploy.Version, o.Verification.Deploy.Where()), gitHubText)
	}
	text := string(o.State)
	if r := o.Verification.Reason; r != "" {
		text += ": " + r
	}
	if f := telling(o); f != nil {
		text = string(o.State) + ": " + f.Text
	}
	return cut(text, gitHubText)
}

// deploymentStatus moves GitHub's deployment only for what is known: passed and failed. The description tells our own hook that the
// event which follows is no deploy.
func (g *GitHub) deploymentStatus(ctx context.Context, repo string, o Order) (string, error) {
	id, ok := strings.CutPrefix(o.Verification.Deploy.ID, "github:")
	if !ok || o.State != verifier.Passed && o.State != verifier.FailedState {
		return "no deployment status", nil
	}
	body := map[string]any{"state": gitHubStates[o.State], "description": cut(verifier.OwnStatus+describe(o), gitHubText), "auto_inactive": false}
	if o.URL != "" {
		body["log_url"] = o.URL
	}
	if err := g.post(ctx, "/repos/"+repo+"/deployments/"+url.PathEscape(id)+"/statuses", body); err != nil {
		return "", fmt.Errorf("set the deployment's status: %w", err)
	}
	return fmt.Sprintf("deployment status %s", body["state"]), nil
}

// post makes one call. GitHub says 403 too when it was asked too much.
func (g *GitHub) post(ctx context.Context, path string, body any) error {
	err := outbound.JSON(ctx, g.client, http.MethodPost, g.url+path, g.header, body, nil)
	var status *outbound.StatusError
	if errors.As(err, &status) && status.Code == http.StatusForbidden && (status.After > 0 || strings.Contains(strings.ToLower(status.Body), "rate limit")) {
		return &verifier.TemporaryError{After: cmp.Or(status.After, time.Minute), Err: err}
	}
	return err
}
