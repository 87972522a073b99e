package intake

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"verifier"
)

// custom is any tool that posts JSON: expressions (https://expr-lang.org) say what of it is what.
var custom = tool{
	check: checkSecret, read: readCustom, prepare: prepareCustom, expressions: true,
	fields: []string{"body.*"},
}

// customFields are the fields of a deploy that an expression may give; status and service, environment and version are those that matter.
var customFields = []string{
	"id", "service", "environment", "target", "version", "previous_version", "status", "change", "at", "group", "team", "by", "commit", "repository", "url", "hosts", "ignore",
}

// customWorld is what expressions see.
type customWorld struct {
	Body    any               `expr:"body"`
	Headers map[string]string `expr:"headers"` // in lower case
}

// maxExpression is how much work one expression may be.
const maxExpression = 10_000

func prepareCustom(h *hook) error {
	if len(h.Fields) == 0 {
		return fmt.Errorf("fields is missing; write fields: {service: body.app, environment: body.env, version: body.version, status: 'body.ok ? \"succeeded\" : \"failed\"'}")
	}
	h.programs = map[string]*vm.Program{}
	for _, name := range slices.Sorted(maps.Keys(h.Fields)) {
		if !slices.Contains(customFields, name) && !strings.HasPrefix(name, "labels.") {
			return fmt.Errorf("fields.%s: a deploy has no such field; write %s or labels.NAME", name, strings.Join(customFields, ", "))
		}
		program, err := expr.Compile(h.Fields[name], expr.Env(customWorld{}), expr.MaxNodes(maxExpression))
		if err != nil {
			return fmt.Errorf("fields.%s: %w", name, err)
		}
		h.programs[name] = program
	}
	return nil
}

// readCustom asks every expression. One that gives nil says nothing.
func readCustom(h *hook, in verifier.Delivery) ([]Event, string, error) {
	world := customWorld{Headers: map[string]string{}}
	if err := json.Unmarshal(in.Body, &world.Body); err != nil {
		return nil, "", verifier.Invalid("body", "is no JSON: %v", err)
	}
	for name, values := range in.Header {
		world.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	values := map[string]any{}
	for _, name := range append([]string{ignore}, slices.Sorted(maps.Keys(h.programs))...) {
		program := h.programs[name]
		if program == nil {
			continue
		}
		value, err := expr.Run(program, world)
		if err != nil {
			return nil, "", verifier.Invalid("fields."+name, "%s: %v", h.Fields[name], firstLine(err))
		}
		if why := worded(value); name == ignore && why != "" && why != "false" {
			return nil, why, nil
		}
		values[name] = value
	}
	d, err := customDeploy(values, in.ReceivedAt)
	if err != nil {
		return nil, "", err
	}
	fields := map[string]string{}
	flatten("body", world.Body, fields)
	return []Event{{d, fields}}, "", nil
}

func firstLine(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

func customDeploy(values map[string]any, received time.Time) (verifier.Deploy, error) {
	text := func(name string) string { return numbered(values[name]) }
	d := verifier.Deploy{
		ID: text("id"), Place: verifier.Place{Service: text("service"), Environment: text("environment"), Target: text("target")}, Version: text("version"),
		PreviousVersion: text("previous_version"), Status: verifier.Succeeded, Change: verifier.Change(text("change")), At: received, AtAssumed: true,
		Group: text("group"), Team: text("team"), By: text("by"), Commit: text("commit"), Repository: text("repository"), URL: text("url"),
	}
	if s := text("status"); s != "" {
		d.Status = verifier.Status(strings.ToLower(s))
		if !slices.Contains(verifier.Statuses, d.Status) {
			return d, verifier.Invalid("fields.status", "gives %.40q; let it give started, succeeded or failed", s)
		}
	}
	if at, given, err := customTime(values["at"]); err != nil {
		return d, err
	} else if given {
		d.At, d.AtAssumed = at, false
	}
	for name := range values {
		if label, ok := strings.CutPrefix(name, "labels."); ok {
			if value := text(name); value != "" {
				if d.Labels == nil {
					d.Labels = map[string]string{}
				}
				d.Labels[label] = value
			}
		}
	}
	if list, ok := values["hosts"].([]any); ok {
		for _, host := range list {
			if name := worded(host); verifier.PlainNameProblem(name) == "" && len(d.Hosts) < maxHosts {
				d.Hosts = append(d.Hosts, name)
			}
		}
	}
	return d, nil
}

// customTime is a text in RFC 3339, or seconds or milliseconds since 1970.
func customTime(v any) (at time.Time, given bool, err error) {
	switch v := v.(type) {
	case nil:
		return at, false, nil
	case time.Time:
		return v.UTC(), true, nil
	case string:
		at, err = parseTime("fields.at", v, time.RFC3339Nano)
		return at, true, err
	case float64:
		if v > 1e11 {
			v /= 1000
		}
		return time.UnixMilli(int64(v * 1000)).UTC(), true, nil
	case int:
		return customTime(float64(v))
	}
	return at, false, verifier.Invalid("fields.at", "gives %T; let it give a text like 2026-11-24T10:00:00Z, or seconds since 1970", v)
}

// numbered is a text, or a number as one writes it.
func numbered(v any) string {
	if n, ok := v.(int); ok {
		return fmt.Sprint(n)
	}
	return worded(v)
}
