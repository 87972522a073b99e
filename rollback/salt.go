package rollback

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"verifier"
	"verifier/outbound"
)

// SaltConfig rolls back by a state run with the earlier version in its pillar, through salt-api. Key is the user's password. Texts may
// name {{.To}} and the like.
type SaltConfig struct {
	APIConfig  `yaml:",inline"`
	User       string            `yaml:"user"`
	Eauth      string            `yaml:"eauth"`       // how the master checks the user; default pam
	Target     string            `yaml:"target"`      // the minions
	TargetType string            `yaml:"target_type"` // what target is: glob (default), list, grain, nodegroup, compound …
	Function   string            `yaml:"function"`    // default state.apply
	State      string            `yaml:"state"`       // the sls to apply; empty: the highstate
	Saltenv    string            `yaml:"saltenv"`
	Pillar     map[string]string `yaml:"pillar"` // shop.version is {shop: {version: …}}
	Hook       string            `yaml:"hook"`   // that its events come through; default salt
}

type salt struct {
	*api
	login                            map[string]string
	target, targetType, sls, saltenv filler
	function                         string
	pillar                           map[string]filler
	hook                             string

	mu    sync.Mutex
	token string
}

func newSalt(c SaltConfig, rt http.RoundTripper) (Way, error) {
	a, err := c.open("salt", "https://salt.example.com:8000", rt, func(string) http.Header { return http.Header{} })
	if err != nil {
		return nil, err
	}
	key, err := outbound.ReadSecret(c.Key.Reveal(), c.KeyFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("salt.key: %w", err)
	case c.User == "":
		return nil, errors.New("salt.user is missing; write the user that external_auth of the master names")
	case c.Target == "":
		return nil, errors.New("salt.target is missing; write the minions that run the service, like 'shop*'")
	}
	s := &salt{
		api: a, login: map[string]string{"username": c.User, "password": key.Reveal(), "eauth": cmp.Or(c.Eauth, "pam")},
		function: cmp.Or(c.Function, "state.apply"), hook: cmp.Or(c.Hook, "salt"), pillar: map[string]filler{},
	}
	var problems []error
	parse := func(key, text string) filler {
		f, err := parseText("salt."+key, text)
		problems = append(problems, err)
		return f
	}
	s.target, s.targetType = parse("target", c.Target), parse("target_type", cmp.Or(c.TargetType, "glob"))
	s.sls, s.saltenv = parse("state", c.State), parse("saltenv", c.Saltenv)
	for name, text := range c.Pillar {
		s.pillar[name] = parse("pillar."+name, text)
	}
	problems = append(problems, nested(map[string]any{}, c.Pillar))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if !saysVersion(append(slices.Collect(maps.Values(s.pillar)), s.sls, s.saltenv)...) {
		return nil, errors.New("salt says nowhere which version to deploy; write pillar: {shop.version: '{{.To}}'}")
	}
	return follow(s), nil
}

// nested puts the values at a.b.c into maps of maps.
func nested(into map[string]any, values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		at := into
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			if at[part] == nil {
				at[part] = map[string]any{}
			}
			inner, ok := at[part].(map[string]any)
			if !ok {
				return fmt.Errorf("salt.pillar.%s: %s is a value already; write one of them", name, part)
			}
			at = inner
		}
		at[parts[len(parts)-1]] = values[name]
	}
	return nil
}

func (s *salt) name() string { return "Salt" }

// low is one call of salt-api: what a client of Salt takes.
type low map[string]any

// run makes calls, and logs in where that was not done yet or is over. The answer to a single call goes into out.
func (s *salt) run(ctx context.Context, call low, out any) error {
	var answer struct {
		Return []json.RawMessage `json:"return"`
	}
	if err := s.authorized(ctx, http.MethodPost, "/", []low{call}, &answer); err != nil {
		return fmt.Errorf("%s: %w", call["fun"], err)
	}
	if len(answer.Return) != 1 {
		return fmt.Errorf("%s: salt-api answers with %d returns to one call", call["fun"], len(answer.Return))
	}
	if err := json.Unmarshal(answer.Return[0], out); err != nil {
		return fmt.Errorf("%s: salt-api answers: %s", call["fun"], outbound.Excerpt(string(answer.Return[0])))
	}
	return nil
}

// authorized calls with the token of a session; 401 may only mean that it is over, and nothing was done then.
func (s *salt) authorized(ctx context.Context, method, path string, in, out any) error {
	for last := false; ; last = true {
		token, fresh, err := s.session(ctx)
		if err != nil {
			return err
		}
		a := *s.api
		a.header = http.Header{"X-Auth-Token": {token}}
		err = a.call(ctx, method, path, in, out)
		var status *outbound.StatusError
		if !errors.As(err, &status) || status.Code != http.StatusUnauthorized {
			return err
		}
		s.forget(token)
		if fresh || last {
			return fmt.Errorf("%w; external_auth of the master must let %s call this", err, s.login["username"])
		}
	}
}

// session is the token of the present session; fresh says that it was just begun.
func (s *salt) session(ctx context.Context) (token string, fresh bool, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" {
		return s.token, false, nil
	}
	err := s.logIn(ctx)
	return s.token, true, err
}

func (s *salt) forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == token {
		s.token = ""
	}
}

// logIn begins a session. s.mu is held.
func (s *salt) logIn(ctx context.Context) error {
	var answer struct {
		Return []struct {
			Token string `json:"token"`
		} `json:"return"`
	}
	if err := s.call(ctx, http.MethodPost, "/login", s.login, &answer); err != nil {
		return beforehand{fmt.Errorf("log in to salt-api as %s: %w", s.login["username"], err)}
	}
	if len(answer.Return) == 0 || answer.Return[0].Token == "" {
		return beforehand{fmt.Errorf("log in to salt-api as %s: the answer holds no token", s.login["username"])}
	}
	s.token = answer.Return[0].Token
	return nil
}

// minions is what a call at minions answers; false stands for one that does not.
type minions map[string]json.RawMessage

// ask calls a function that only reads on the minions and waits for their answers.
func (s *salt) ask(ctx context.Context, target low, function string, more low) (minions, error) {
	call := low{"client": "local", "fun": function, "timeout": 5, "gather_job_timeout": 5}
	maps.Copy(call, target)
	maps.Copy(call, more)
	var out minions
	return out, s.run(ctx, call, &out)
}

func (s *salt) at(c verifier.RollbackCall) (low, error) {
	target, err := s.target.fill("salt", c)
	if err != nil {
		return nil, err
	}
	kind, err := s.targetType.fill("salt", c)
	if err != nil {
		return nil, err
	}
	if kind == "list" {
		return low{"tgt": strings.FieldsFunc(target, func(r rune) bool { return r == ',' || r == ' ' }), "tgt_type": kind}, nil
	}
	return low{"tgt": target, "tgt_type": kind}, nil
}

func named(list []string) low { return low{"tgt": list, "tgt_type": "list"} }

// kwarg are the named arguments of the state run.
func (s *salt) kwarg(c verifier.RollbackCall) (low, error) {
	out := low{}
	for key, f := range map[string]filler{"mods": s.sls, "saltenv": s.saltenv} {
		text, err := f.fill("salt", c)
		if err != nil {
			return nil, err
		}
		if text != "" {
			out[key] = text
		}
	}
	values, pillar := map[string]string{}, map[string]any{}
	for name, f := range s.pillar {
		text, err := f.fill("salt", c)
		if err != nil {
			return nil, err
		}
		values[name] = text
	}
	out["pillar"] = pillar
	return out, nested(pillar, values)
}
