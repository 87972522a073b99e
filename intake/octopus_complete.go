package intake

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"verifier"
)

// completedHeader of a kept delivery holds what the tool's API said more when it came in, so that reading it again asks nobody.
const completedHeader = "Verifier-Completed"

const (
	completeWithin = 3 * time.Second // the tool waits for ten
	completeRest   = time.Minute     // nobody is asked after a failure
	mostCompleted  = 1000            // releases that are remembered
)

// octopusMore is what Octopus' API says of an event's documents, by their ids.
type octopusMore struct {
	Names     map[string]string `json:"names,omitempty"`     // of projects, environments, tenants and releases
	Notes     string            `json:"notes,omitempty"`     // of the release
	Variables map[string]string `json:"variables,omitempty"` // of the release's project, as they are in the environment
	Problem   string            `json:"problem,omitempty"`   // why it could not be asked
}

// completing remembers what was asked before, and rests after a failure.
type completing struct {
	mu    sync.Mutex
	known map[string]octopusMore // by release and environment
	until time.Time
	why   string
}

// asksForMore reports whether the map speaks of what only the API tells.
func (h *hook) asksForMore() bool {
	more := func(name string) bool { return name == "release_notes" || strings.HasPrefix(name, "variable.") }
	return slices.ContainsFunc(h.entries, func(e entry) bool {
		for name := range e.match {
			if more(name) {
				return true
			}
		}
		for _, text := range e.set {
			if more(text) || slices.ContainsFunc(holes.FindAllStringSubmatch(text, -1), func(hole []string) bool { return more(hole[1]) }) {
				return true
			}
		}
		return false
	})
}

// completeOctopus asks the API for what the events of a delivery do not say: names that are missing, and the release's notes and the
// variables where the map speaks of them.
func completeOctopus(ctx context.Context, h *hook, in verifier.Delivery) verifier.Delivery {
	var body octopusBody
	if json.Unmarshal(in.Body, &body) != nil {
		return in
	}
	said := map[string]octopusMore{}
	for _, e := range body.events() {
		if _, known := octopusStatuses[e.Category]; !known || e.document("Deployments-") == "" || e.document("Releases-") == "" {
			continue
		}
		if e.named("Projects-") != "" && e.named("Releases-") != "" && e.named("Environments-") != "" && (e.named("Tenants-") != "" || e.document("Tenants-") == "") && !h.asksForMore() {
			continue
		}
		said[e.document("Deployments-")] = h.more(ctx, e)
	}
	if len(said) == 0 {
		return in
	}
	text, err := json.Marshal(said)
	if err != nil {
		return in // unreachable: texts alone
	}
	if in.Header == nil {
		in.Header = map[string][]string{}
	}
	in.Header[completedHeader] = []string{string(text)}
	return in
}

// more asks once for each release and environment.
func (h *hook) more(ctx context.Context, e octopusEvent) octopusMore {
	c := h.asks.completing
	key := e.document("Releases-") + " " + e.document("Environments-") + " " + e.document("Tenants-")
	c.mu.Lock()
	known, ok := c.known[key]
	rests := h.now().Before(c.until)
	why := c.why
	c.mu.Unlock()
	if ok {
		return known
	}
	if rests {
		return octopusMore{Problem: why}
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	more, err := h.asks.octopusMore(ctx, e, h.asksForMore())
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.until, c.why = h.now().Add(completeRest), err.Error()
		return octopusMore{Problem: err.Error()}
	}
	if len(c.known) >= mostCompleted {
		clear(c.known)
	}
	c.known[key] = more
	return more
}

func (l *lister) octopusMore(ctx context.Context, e octopusEvent, notes bool) (octopusMore, error) {
	base := "/api/"
	if e.SpaceID != "" {
		base += url.PathEscape(e.SpaceID) + "/"
	}
	more := octopusMore{Names: map[string]string{}}
	for kind, list := range map[string]string{"Projects-": "projects", "Environments-": "environments", "Tenants-": "tenants"} {
		id := e.document(kind)
		if id == "" || e.named(kind) != "" {
			continue
		}
		var one struct{ Name string }
		if err := l.get(ctx, base+list+"/"+url.PathEscape(id), &one); err != nil {
			return more, err
		}
		more.Names[id] = one.Name
	}
	if e.named("Releases-") != "" && !notes {
		return more, nil
	}
	id := e.document("Releases-")
	var release struct {
		Version   string
		Notes     string `json:"ReleaseNotes"`
		Variables string `json:"ProjectVariableSetSnapshotId"`
	}
	if err := l.get(ctx, base+"releases/"+url.PathEscape(id), &release); err != nil {
		return more, err
	}
	more.Names[id], more.Notes = release.Version, release.Notes
	if !notes || release.Variables == "" {
		return more, nil
	}
	var err error
	more.Variables, err = l.octopusVariables(ctx, base+"variables/"+url.PathEscape(release.Variables), e.document("Environments-"))
	return more, err
}

// octopusVariables are those that hold in the environment, or everywhere; no secrets.
func (l *lister) octopusVariables(ctx context.Context, path, environment string) (map[string]string, error) {
	var set struct {
		Variables []struct {
			Name      string
			Value     *string
			Sensitive bool                `json:"IsSensitive"`
			Scope     map[string][]string `json:"Scope"`
		}
	}
	if err := l.get(ctx, path, &set); err != nil {
		return nil, err
	}
	out, scoped := map[string]string{}, map[string]bool{}
	for _, v := range set.Variables {
		here := slices.Contains(v.Scope["Environment"], environment)
		if v.Value == nil || v.Sensitive || scoped[v.Name] && !here || len(v.Scope) > 0 && (!here || len(v.Scope) > 1) {
			continue
		}
		out[v.Name], scoped[v.Name] = *v.Value, here
	}
	return out, nil
}

// completed is what the API said of each deployment of a delivery.
func completed(in verifier.Delivery) map[string]octopusMore {
	var said map[string]octopusMore
	_ = json.Unmarshal([]byte(http.Header(in.Header).Get(completedHeader)), &said) // without it nothing more is known
	return said
}

// apply fills in what an event does not say. Where the map asks for what could not be had, the way back is held to be closed: rather a
// person too many.
func (m octopusMore) apply(h *hook, e octopusEvent, event *Event) {
	name := func(field *string, fact, kind string) {
		if n := m.Names[e.document(kind)]; *field == "" && n != "" {
			*field, event.Fields[fact] = n, n
		}
	}
	d := &event.Deploy
	name(&d.Service, "project", "Projects-")
	name(&d.Environment, "octopus_environment", "Environments-")
	name(&d.Target, "tenant", "Tenants-")
	name(&d.Version, "release", "Releases-")
	event.Fields["release_notes"] = m.Notes
	for k, v := range m.Variables {
		event.Fields["variable."+k] = v
	}
	if m.Problem != "" && h.asksForMore() {
		no := false
		d.Rollback = verifier.Consent{Allowed: &no, Reason: "Octopus could not be asked for the release's notes and variables: " + cutText(m.Problem, 300)}
	}
}

func cutText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
