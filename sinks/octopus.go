package sinks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"verifier"
	"verifier/outbound"
)

// OctopusConfig is Octopus Deploy, where releases that a verdict condemns are blocked.
type OctopusConfig struct {
	URL          string          `yaml:"url"`
	Key          outbound.Secret `yaml:"key"`
	KeyFile      string          `yaml:"key_file"`
	Space        string          `yaml:"space"`        // its id, like Spaces-1; default the default space
	Environments []string        `yaml:"environments"` // globs: whose verdicts block a release
}

// Octopus reports a defect of a condemned release, which stops it in its lifecycle, and resolves it when a person says that it is good.
type Octopus struct {
	base         string
	header       http.Header
	client       *http.Client
	environments []string
}

// NewOctopus makes the sink; it calls nobody.
func NewOctopus(c OctopusConfig, rt http.RoundTripper) (*Octopus, error) {
	if c.URL == "" {
		return nil, verifier.Invalid("url", "is missing; write https://octopus.example.com")
	}
	at, err := address("url", c.URL)
	if err != nil {
		return nil, err
	}
	key, err := outbound.ReadSecret(c.Key.Reveal(), c.KeyFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("key: %w", err)
	case key == "":
		return nil, verifier.Invalid("key", "is missing; write key_file with an API key that may report and resolve defects")
	case len(c.Environments) == 0:
		return nil, verifier.Invalid("environments", "are missing; write those whose verdicts block a release, like [staging]")
	}
	o := &Octopus{base: at + "/api", client: outbound.Client(rt, 0), environments: c.Environments, header: http.Header{"X-Octopus-ApiKey": {key.Reveal()}}}
	if c.Space != "" {
		o.base += "/" + url.PathEscape(c.Space)
	}
	return o, nil
}

// Wants takes failures and marks.
func (o *Octopus) Wants(s verifier.State) bool {
	return s == verifier.FailedState || s == verifier.MarkedState
}

// HeedsMarks says that the last word on a version counts, whatever was ordered before.
func (o *Octopus) HeedsMarks() bool { return true }

// Write blocks the release of a version that failed or was marked bad, and releases one that was marked good. Doing it twice does no harm.
func (o *Octopus) Write(ctx context.Context, order Order) (string, error) {
	v := order.Verification
	if v.Deploy.Change != verifier.Release || !verifier.MatchAny(o.environments, v.Deploy.Environment) {
		return "nothing: its verdicts block no release", nil
	}
	release, err := o.release(ctx, order.Service, v.Deploy.Version)
	if err != nil || release == "" {
		return "nothing: there is no release " + v.Deploy.Version + " of " + order.Service + " in Octopus", err
	}
	ours, others, err := o.defects(ctx, release)
	if err != nil {
		return "", err
	}
	good := v.Mark != nil && v.Mark.Good
	switch {
	case good && ours:
		err := o.call(ctx, http.MethodPost, "/releases/"+url.PathEscape(release)+"/defects/resolve", struct{}{}, nil)
		return "released " + v.Deploy.Version, err
	case good:
		return "nothing: the release is not blocked by verifier", nil
	case ours || others:
		return "nothing: the release is blocked already", nil
	}
	err = o.call(ctx, http.MethodPost, "/releases/"+url.PathEscape(release)+"/defects", map[string]string{"Description": o.why(order)}, nil)
	return "blocked " + v.Deploy.Version, err
}

// why begins as our own defects do, so that only those are resolved.
func (o *Octopus) why(order Order) string {
	v := order.Verification
	text := verifier.OwnStatus + "failed in " + v.Deploy.Environment
	order.State = verifier.FailedState
	if f := telling(order); f != nil {
		text += ": " + f.Text
	}
	if m := v.Mark; m != nil && !m.Good {
		text = verifier.OwnStatus + "marked bad in " + v.Deploy.Environment + " by " + m.By + ": " + m.Cause
	}
	return cut(strings.TrimSpace(text+" "+order.URL), 1000)
}

type octopusItems[T any] struct {
	Items []T `json:"Items"`
}

// release is the id of the project's release; empty where there is none: not everything is deployed by Octopus.
func (o *Octopus) release(ctx context.Context, project, version string) (string, error) {
	var projects octopusItems[struct{ Id, Name, Slug string }] //nolint:revive // as Octopus writes them
	if err := o.call(ctx, http.MethodGet, "/projects?"+url.Values{"partialName": {project}, "take": {"1000"}}.Encode(), nil, &projects); err != nil {
		return "", err
	}
	for _, p := range projects.Items {
		if !strings.EqualFold(p.Name, project) && !strings.EqualFold(p.Slug, project) {
			continue
		}
		var release struct{ Id string } //nolint:revive // as Octopus writes it
		err := o.call(ctx, http.MethodGet, "/projects/"+url.PathEscape(p.Id)+"/releases/"+url.PathEscape(version), nil, &release)
		var status *outbound.StatusError
		if errors.As(err, &status) && status.Code == http.StatusNotFound {
			return "", nil
		}
		return release.Id, err
	}
	return "", nil
}

// defects reports whether the release is blocked, by verifier or by others.
func (o *Octopus) defects(ctx context.Context, release string) (ours, others bool, err error) {
	var list octopusItems[struct{ Status, Description string }]
	err = o.call(ctx, http.MethodGet, "/releases/"+url.PathEscape(release)+"/defects", nil, &list)
	for _, d := range list.Items {
		if d.Status == "Unresolved" {
			mine := strings.HasPrefix(d.Description, verifier.OwnStatus)
			ours, others = ours || mine, others || !mine
		}
	}
	return ours, others, err
}

func (o *Octopus) call(ctx context.Context, method, path string, in, out any) error {
	return outbound.JSON(ctx, o.client, method, o.base+path, o.header, in, out)
}
