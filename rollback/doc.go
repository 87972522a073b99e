// Package rollback calls for a rollback, one file for each way of doing it: a signed webhook, a command, and the APIs of deploy tools.
//
// Whether to roll back was decided before; here is only the call. It goes out with the action's key, which stays the same through
// retries, so that a deploy tool which remembers keys does it once. An answer is one of three: taken, to be tried again (a
// TemporaryError), or refused (any other error), which is the end of it. Tools whose API knows tasks are driven by follow.go, which
// looks before it calls, calls once, and stays with the task to its end.
package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"verifier"
)

// Config is one way of rolling back; exactly one key is set.
type Config struct {
	Webhook      *WebhookConfig      `yaml:"webhook"`
	Command      *CommandConfig      `yaml:"command"`
	Octopus      *OctopusConfig      `yaml:"octopus"`
	GitHub       *GitHubConfig       `yaml:"github"`
	ArgoCD       *ArgoCDConfig       `yaml:"argocd"`
	TeamCity     *TeamCityConfig     `yaml:"teamcity"`
	GitLab       *GitLabConfig       `yaml:"gitlab"`
	Salt         *SaltConfig         `yaml:"salt"`
	ArgoRollouts *ArgoRolloutsConfig `yaml:"argorollouts"`
}

// making is one key of Config: how its way is made, and how its files are put beside the configuration.
type making struct {
	key     string
	given   bool
	follows bool // a tool's API: it is asked beforehand, and its task is followed
	make    func(http.RoundTripper) (Way, error)
	placed  func(relative func(string) string)
}

// makings are all ways that there are. placed changes a copy: c's pointers are cloned first.
func (c *Config) makings() []making {
	return []making{
		{"webhook", c.Webhook != nil, false, func(rt http.RoundTripper) (Way, error) { return newWebhook(*c.Webhook, rt) }, func(relative func(string) string) {
			c.Webhook = clone(c.Webhook)
			c.Webhook.SecretFile = relative(c.Webhook.SecretFile)
		}},
		{"command", c.Command != nil, false, func(http.RoundTripper) (Way, error) { return newCommand(*c.Command) }, nil},
		{"octopus", c.Octopus != nil, true, func(rt http.RoundTripper) (Way, error) { return newOctopus(*c.Octopus, rt) }, func(relative func(string) string) {
			c.Octopus = clone(c.Octopus)
			c.Octopus.place(relative)
		}},
		{"github", c.GitHub != nil, true, func(rt http.RoundTripper) (Way, error) { return newGitHub(*c.GitHub, rt) }, func(relative func(string) string) {
			c.GitHub = clone(c.GitHub)
			c.GitHub.place(relative)
		}},
		{"argorollouts", c.ArgoRollouts != nil, true, func(rt http.RoundTripper) (Way, error) { return newArgoRollouts(*c.ArgoRollouts, rt) }, func(relative func(string) string) {
			c.ArgoRollouts = clone(c.ArgoRollouts)
			c.ArgoRollouts.place(relative)
			c.ArgoRollouts.CAFile = relative(c.ArgoRollouts.CAFile)
		}},
		{"gitlab", c.GitLab != nil, true, func(rt http.RoundTripper) (Way, error) { return newGitLab(*c.GitLab, rt) }, func(relative func(string) string) {
			c.GitLab = clone(c.GitLab)
			c.GitLab.place(relative)
		}},
		{"argocd", c.ArgoCD != nil, true, func(rt http.RoundTripper) (Way, error) { return newArgoCD(*c.ArgoCD, rt) }, func(relative func(string) string) {
			c.ArgoCD = clone(c.ArgoCD)
			c.ArgoCD.place(relative)
		}},
		{"teamcity", c.TeamCity != nil, true, func(rt http.RoundTripper) (Way, error) { return newTeamCity(*c.TeamCity, rt) }, func(relative func(string) string) {
			c.TeamCity = clone(c.TeamCity)
			c.TeamCity.place(relative)
		}},
		{"salt", c.Salt != nil, true, func(rt http.RoundTripper) (Way, error) { return newSalt(*c.Salt, rt) }, func(relative func(string) string) {
			c.Salt = clone(c.Salt)
			c.Salt.place(relative)
		}},
	}
}

func clone[T any](p *T) *T {
	c := *p
	return &c
}

// Placed is the way with its secrets' files where relative puts them.
func (c Config) Placed(relative func(string) string) Config {
	for _, m := range c.makings() {
		if m.given && m.placed != nil {
			m.placed(relative)
		}
	}
	return c
}

// Empty reports whether no way is given.
func (c Config) Empty() bool {
	for _, m := range c.makings() {
		if m.given {
			return false
		}
	}
	return true
}

// Follows reports whether the way is a tool's API, which is asked beforehand and whose task is followed.
func (c Config) Follows() bool {
	for _, m := range c.makings() {
		if m.given && m.follows {
			return true
		}
	}
	return false
}

// Keys are the names of all ways, for messages.
func Keys() string {
	var keys []string
	for _, m := range (&Config{}).makings() {
		keys = append(keys, m.key)
	}
	last := len(keys) - 1
	return strings.Join(keys[:last], ", ") + " or " + keys[last]
}

// Way is one way of calling for a rollback. message is what the other side said, for the record.
type Way interface {
	Call(ctx context.Context, c verifier.RollbackCall) (message string, err error)
}

// following is a way that is called again until the rollback is over, with what it remembered. interrupted says that nobody
// heard how the run before ended.
type following interface {
	Follow(ctx context.Context, c verifier.RollbackCall, memory json.RawMessage, interrupted bool) (verifier.Performed, error)
}

// asking is a way that can say beforehand whether the version could be deployed.
type asking interface {
	Ready(ctx context.Context, c verifier.RollbackCall) (message string, err error)
}

// New makes the way; it calls nobody.
func New(c Config, rt http.RoundTripper) (Way, error) {
	var given []making
	for _, m := range c.makings() {
		if m.given {
			given = append(given, m)
		}
	}
	switch len(given) {
	case 0:
		return nil, fmt.Errorf("no way is given; write %s", Keys())
	case 1:
		return given[0].make(rt)
	}
	return nil, fmt.Errorf("%s and %s are both given; keep one", given[0].key, given[1].key)
}

// Caller performs rollback actions.
type Caller struct {
	ways func(name string) (Way, bool)
}

// NewCaller makes a Caller; ways gives the ways that are configured now.
func NewCaller(ways func(name string) (Way, bool)) *Caller { return &Caller{ways} }

// Perform calls by the way that stood in the configuration when the rollback was decided, or not at all.
func (c *Caller) Perform(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
	way, order, err := c.way(a)
	if err != nil && began(a.Memory) {
		return verifier.Performed{}, &EndedError{"it began, and cannot be followed: " + err.Error()}
	}
	if err != nil {
		return verifier.Performed{}, err
	}
	if f, ok := way.(following); ok {
		return f.Follow(ctx, order.Call, a.Memory, a.Interrupted)
	}
	message, err := way.Call(ctx, order.Call)
	return verifier.Performed{Message: message}, err
}

func (c *Caller) way(a verifier.Action) (Way, verifier.RollbackOrder, error) {
	var order verifier.RollbackOrder
	if err := json.Unmarshal(a.Payload, &order); err != nil {
		return nil, order, fmt.Errorf("read the rollback's order: %w", err)
	}
	order.Call.Names = order.Names
	if order.By == "" {
		return nil, order, fmt.Errorf("no way of rolling back %s is configured; write rollback.by for it", order.Call.Service)
	}
	way, ok := c.ways(order.By)
	if !ok {
		return nil, order, fmt.Errorf("the way of rolling back %s is no longer in the configuration", order.Call.Service)
	}
	return way, order, nil
}

// Asker performs the actions that ask, when a watch begins, whether the way back is open.
type Asker struct{ *Caller }

// Perform asks the tool. A way that cannot be asked says nothing; a tool that refuses is an answer, and no error.
func (a Asker) Perform(ctx context.Context, action verifier.Action) (verifier.Performed, error) {
	way, order, err := a.way(action)
	if err != nil {
		return verifier.Performed{}, err
	}
	ask, ok := way.(asking)
	if !ok {
		return verifier.Performed{}, nil
	}
	message, err := ask.Ready(ctx, order.Call)
	return verifier.Performed{Message: message}, err
}

// errNoTask is what a way that only follows says of a call that is not followed.
var errNoTask = errors.New("this way follows its task; use Follow")
