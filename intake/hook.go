package intake

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// Hook is how a tool proves who it is, and what its words mean.
type Hook struct {
	Tool       string              `yaml:"tool"`   // default: the hook's own name; several hooks may be of one tool
	Header     string              `yaml:"header"` // that holds the secret, where the tool signs nothing
	User       string              `yaml:"user"`   // of Basic authentication, whose password is the secret
	Secret     outbound.Secret     `yaml:"secret"`
	SecretFile string              `yaml:"secret_file"`
	Map        []map[string]string `yaml:"map"` // what the tool's words mean
}

// Config is the hooks by name.
type Config struct {
	Hooks map[string]Hook
}

// tool is one deploy tool: who may send, and what a delivery says.
type tool struct {
	delivery string                                                       // names the tool's own header with the delivery's id
	signs    bool                                                         // and so needs no header for the secret
	header   string                                                       // that holds the secret where the configuration names none
	check    func(h *hook, r *http.Request, body []byte) error            // who sent it
	fields   []string                                                     // the tool's own words; one that ends in .* stands for many
	where    map[string]string                                            // where the tool says what a Deploy's field holds, for messages
	read     func(h *hook, in verifier.Delivery) ([]Event, string, error) // pure; ignored says why it is no deploy
}

// tools are all that there are.
var tools map[string]tool

func init() { // in init, because hooks are read by way of tools
	tools = map[string]tool{
		"argocd":      argoCD,
		"azuredevops": azureDevOps,
		"cdevents":    cdEvents,
		"github":      gitHub,
		"gitlab":      gitLab,
		"jenkins":     jenkins,
		"kubewatch":   kubewatch,
		"octopus":     octopus,
		"salt":        salt,
		"tcwebhooks":  tcWebHooks,
		"teamcity":    teamCity,
	}
}

// hook is one that is configured, with its secret read.
type hook struct {
	Hook
	tool
	name    string
	secret  outbound.Secret
	entries []entry
}

// Hooks are the configured hooks by name.
type Hooks map[string]*hook

// NewHooks reads the hooks' secrets and mappings.
func NewHooks(c Config) (Hooks, error) {
	hooks := Hooks{}
	for _, name := range slices.Sorted(maps.Keys(c.Hooks)) {
		h, err := c.Hooks[name].open(name)
		if err != nil {
			return nil, fmt.Errorf("hooks.%s: %w", name, err)
		}
		hooks[name] = h
	}
	return hooks, nil
}

func (c Hook) open(name string) (*hook, error) {
	if c.Tool == "" {
		c.Tool = name
	}
	t, known := tools[c.Tool]
	if !known {
		return nil, fmt.Errorf("no such tool: %q; %s are there, others post to /v1/deploys", c.Tool, strings.Join(slices.Sorted(maps.Keys(tools)), ", "))
	}
	secret, err := outbound.ReadSecret(c.Secret.Reveal(), c.SecretFile)
	if c.Header == "" && c.User == "" {
		c.Header = t.header
	}
	switch {
	case err != nil:
		return nil, err
	case secret == "":
		return nil, errors.New("the secret is missing; write secret_file")
	case t.signs && (c.Header != "" || c.User != ""):
		return nil, fmt.Errorf("header has no meaning here: %s signs what it sends; take it out", c.Tool)
	case !t.signs && c.Header == "" && c.User == "":
		return nil, errors.New("header is missing; write the name of the header that holds the secret, like X-Key, or user for Basic authentication")
	}
	h := &hook{Hook: c, tool: t, name: name, secret: secret}
	for i, m := range c.Map {
		e, err := readEntry(m, t.fields)
		if err != nil {
			return nil, fmt.Errorf("map[%d].%w", i, err)
		}
		h.entries = append(h.entries, e)
	}
	return h, nil
}

// Mapped is what a delivery means.
type Mapped struct {
	Deploys  []verifier.Deploy
	Ignored  string // why it is no deploy
	Unmapped string // what is missing to make a deploy of it, or of a part of it
}

// Map reads a kept delivery by the hook that it came through. It is pure. An error names every bad field.
func (hooks Hooks) Map(in verifier.Delivery) (Mapped, error) {
	h, configured := hooks[in.Tool]
	if !configured {
		return Mapped{}, fmt.Errorf("hook %s: %w; write hooks: {%s: {secret_file: …}} in verifier.yaml", in.Tool, verifier.ErrNotFound, in.Tool)
	}
	return h.mapped(in)
}

func (h *hook) mapped(in verifier.Delivery) (Mapped, error) {
	events, ignored, err := h.read(h, in)
	if err != nil {
		return Mapped{}, err
	}
	var out Mapped
	for _, e := range events {
		why, skip := h.apply(&e)
		switch {
		case skip:
			ignored = why
		case why != "":
			out.Unmapped = why
		default:
			if err := h.problems(e.Deploy, in.ReceivedAt); err != nil {
				return Mapped{}, err
			}
			out.Deploys = append(out.Deploys, e.Deploy)
		}
	}
	if len(out.Deploys) == 0 && out.Unmapped == "" {
		out.Ignored = ignored
	}
	return out, nil
}

// problems names every bad field of a deploy where the tool says it.
func (h *hook) problems(d verifier.Deploy, now time.Time) error {
	var problems []verifier.FieldError
	bad := func(field, problem string) {
		if problem == "" {
			return
		}
		if where := h.where[field]; where != "" {
			field = where
		}
		problems = append(problems, verifier.FieldError{Field: field, Problem: problem})
	}
	bad("service", verifier.NameProblem(d.Service))
	bad("environment", verifier.NameProblem(d.Environment))
	bad("version", verifier.VersionProblem(d.Version))
	if d.Target != "" {
		bad("target", verifier.NameProblem(d.Target))
	}
	if d.Team != "" {
		bad("team", verifier.NameProblem(d.Team))
	}
	if d.PreviousVersion != "" {
		bad("previous_version", verifier.VersionProblem(d.PreviousVersion))
	}
	if !slices.Contains(verifier.Changes, d.Change) {
		bad("change", fmt.Sprintf("%.40q is none; write release, config, toggle, infra or scale", d.Change))
	}
	bad("id", idProblem(d.ID))
	bad("at", timeProblem(d.At, now))
	bad("by", textProblem(d.By))
	bad("commit", textProblem(d.Commit))
	bad("group", textProblem(d.Group))
	bad("url", textProblem(d.URL))
	bad("repository", textProblem(d.Repository))
	if len(problems) == 0 {
		return nil
	}
	return &verifier.InvalidError{Fields: problems}
}
