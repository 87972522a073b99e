package intake

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/expr-lang/expr/vm"

	"verifier"
	"verifier/outbound"
	"verifier/words"
)

// Hook is how a tool proves who it is, and what its words mean.
type Hook struct {
	Tool       string              `yaml:"tool"`   // default: the hook's own name; several hooks may be of one tool
	Header     string              `yaml:"header"` // that holds the secret, where the tool signs nothing
	User       string              `yaml:"user"`   // of Basic authentication, whose password is the secret
	Secret     outbound.Secret     `yaml:"secret"`
	SecretFile string              `yaml:"secret_file"`
	Map        []map[string]string `yaml:"map"`    // what the tool's words mean
	Topics     []string            `yaml:"topics"` // of Amazon SNS, whose messages are taken
	Fields     map[string]string   `yaml:"fields"` // of custom: an expression for each of a deploy's fields
	API        *API                `yaml:"api"`    // to ask the tool for what was missed
}

// Config is the hooks by name.
type Config struct {
	Hooks     map[string]Hook
	Transport http.RoundTripper // to Amazon SNS; nil: nobody is asked
	Now       func() time.Time  // nil: the system's clock
}

// tool is one deploy tool: who may send, and what a delivery says.
type tool struct {
	delivery    string                                                                            // names the tool's own header with the delivery's id
	signs       bool                                                                              // and so needs no header for the secret
	header      string                                                                            // that holds the secret where the configuration names none
	topics      bool                                                                              // may sign by Amazon SNS
	expressions bool                                                                              // has fields of expressions
	prepare     func(h *hook) error                                                               // reads what the configuration says more
	confirm     func(ctx context.Context, h *hook, in verifier.Delivery) (said string, err error) // answers a handshake; said is empty where it is none
	complete    func(ctx context.Context, h *hook, in verifier.Delivery) verifier.Delivery        // asks the tool's API, where a key is given, for what its events do not say
	check       func(h *hook, r *http.Request, body []byte) error                                 // who sent it
	fields      []string                                                                          // the tool's own words; one that ends in .* stands for many
	where       map[string]string                                                                 // where the tool says what a Deploy's field holds, for messages
	read        func(h *hook, in verifier.Delivery) ([]Event, string, error)                      // pure; ignored says why it is no deploy
	lists       *listing                                                                          // what it did, by its own account; nil: it keeps none
}

// tools are all that there are.
var tools map[string]tool

func init() { // in init, because hooks are read by way of tools
	tools = map[string]tool{
		"argocd":      argoCD,
		"azuredevops": azureDevOps,
		"cdevents":    cdEvents,
		"codedeploy":  codeDeploy,
		"custom":      custom,
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

	now          func() time.Time
	client       *http.Client
	certificates *certificates
	programs     map[string]*vm.Program // of custom, by field
	asks         *lister                // nil: the tool is not asked
}

// Hooks are the configured hooks by name.
type Hooks map[string]*hook

// NewHooks reads the hooks' secrets and mappings.
func NewHooks(c Config) (Hooks, error) {
	hooks := Hooks{}
	for _, name := range slices.Sorted(maps.Keys(c.Hooks)) {
		h, err := c.Hooks[name].open(name, c)
		if err != nil {
			return nil, fmt.Errorf("hooks.%s: %w", name, err)
		}
		hooks[name] = h
	}
	return hooks, nil
}

func (c Hook) open(name string, with Config) (*hook, error) {
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
	case len(c.Topics) > 0 && !t.topics:
		return nil, fmt.Errorf("topics has no meaning here: %s does not come by Amazon SNS; take it out", c.Tool)
	case len(c.Fields) > 0 && !t.expressions:
		return nil, fmt.Errorf("fields has no meaning here: write map, or tool: custom")
	case len(c.Topics) > 0 && (secret != "" || c.Header != "" || c.User != ""):
		return nil, errors.New("topics are signed by Amazon SNS; take secret, header and user out, or make a hook of its own for them")
	case len(c.Topics) > 0:
	case secret == "" && t.topics:
		return nil, errors.New("topics is missing; write the ARNs of the SNS topics whose messages are taken")
	case secret == "":
		return nil, errors.New("the secret is missing; write secret_file")
	case t.signs && (c.Header != "" || c.User != ""):
		return nil, fmt.Errorf("header has no meaning here: %s signs what it sends; take it out", c.Tool)
	case !t.signs && c.Header == "" && c.User == "":
		return nil, errors.New("header is missing; write the name of the header that holds the secret, like X-Key, or user for Basic authentication")
	}
	h := &hook{Hook: c, tool: t, name: name, secret: secret, now: with.Now, client: outbound.Client(with.Transport, askWithin)}
	if h.now == nil {
		h.now = time.Now
	}
	if with.Transport == nil {
		h.client.Transport = nobody{}
	}
	h.certificates = &certificates{client: h.client, known: map[string]*x509.Certificate{}}
	if t.prepare != nil {
		if err := t.prepare(h); err != nil {
			return nil, err
		}
	}
	if err := h.openAPI(with.Transport); err != nil {
		return nil, err
	}
	for i, m := range c.Map {
		e, err := readEntry(m, t.fields)
		if err != nil {
			return nil, fmt.Errorf("map[%d].%w", i, err)
		}
		h.entries = append(h.entries, e)
	}
	if t.complete != nil && h.asks == nil && h.asksForMore() {
		return nil, errors.New("map: release_notes and variable.* are known to the tool's API alone; write api: {url: …, key_file: …}, or take them out")
	}
	return h, nil
}

// askWithin is how long Amazon SNS has to answer: tools wait for ten seconds.
const askWithin = 5 * time.Second

// nobody is asked where no transport is given.
type nobody struct{}

// RoundTrip refuses.
func (nobody) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("nobody is asked here")
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
	var unmapped []string
	for _, e := range events {
		why, skip := h.apply(&e)
		if skip {
			ignored = why
			continue
		}
		if e.Deploy = fitting(e.Deploy); why == "" {
			why = h.unfit(e.Deploy, in.ReceivedAt)
		}
		if why != "" {
			unmapped = append(unmapped, why)
			continue
		}
		out.Deploys = append(out.Deploys, e.Deploy)
	}
	out.Unmapped = allReasons(unmapped)
	if len(out.Deploys) == 0 && out.Unmapped == "" {
		out.Ignored = ignored
	}
	return out, nil
}

// maxReasons is how many events of one delivery are told of.
const maxReasons = 5

func allReasons(reasons []string) string {
	more := ""
	if n := len(reasons) - maxReasons; n > 0 {
		reasons, more = reasons[:maxReasons], fmt.Sprintf("; and %s more", words.CountOf(n, "event", "events"))
	}
	return strings.Join(reasons, "; ") + more
}

// fitting is the deploy without what it can do without: a link that cannot be followed, and the rest of a text that is too long. A tool's
// event is not lost over them.
func fitting(d verifier.Deploy) verifier.Deploy {
	d = tidied(d)
	for _, link := range []*string{&d.URL, &d.Repository} {
		if linkProblem(*link) != "" {
			*link = ""
		}
	}
	d.By, d.Rollback.Reason = shortened(d.By), shortened(d.Rollback.Reason)
	if len(d.Labels) > 0 {
		d.Labels = maps.Clone(d.Labels)
		for name, value := range d.Labels {
			d.Labels[name] = shortened(value)
		}
	}
	return d
}

// shortened is one line of text that fits.
func shortened(s string) string {
	if textProblem(s) == "" {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
	}
	return s
}

// unfit names every bad field of a deploy where the tool says it; empty: nothing is bad.
func (h *hook) unfit(d verifier.Deploy, now time.Time) string {
	list := problems(d, now)
	for i, p := range list {
		if where := h.where[p.Field]; where != "" {
			list[i].Field = where
		}
	}
	return (&verifier.InvalidError{Fields: list}).Error()
}

// misread says in the sender's words where JSON is of another kind than expected; Go's types mean nothing to an operator.
func misread(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	if wrong.Field == "" {
		return fmt.Errorf("it is %s, and not what the tool sends", wrong.Value)
	}
	return fmt.Errorf("%s is %s, and not what the tool sends", wrong.Field, wrong.Value)
}
