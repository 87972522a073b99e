package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"verifier"
	"verifier/outbound"
	"verifier/words"
)

// Status is what `verifier status` shows.
type Status struct {
	Version   string                `json:"version"`
	Rules     int                   `json:"rules"`
	Active    int                   `json:"verifications_active"`
	Waiting   int                   `json:"actions_waiting"`
	Sources   map[string]string     `json:"sources"` // ok, not asked yet, or what is wrong
	Lags      map[string]string     `json:"lags"`    // how old each source's newest event was, where that is known
	Slowed    map[string]string     `json:"slowed"`  // how much less often than wanted a source is asked, for its budget's sake
	Hooks     map[string]HookStatus `json:"hooks"`
	Quiet     []string              `json:"quiet"`   // senders of deploy events that are silent for far longer than is their habit
	Notes     []string              `json:"notes"`   // what senders of deploy events should change
	Problem   string                `json:"problem"` // why the files on disk could not be loaded
	Restart   []string              `json:"restart"` // keys that were changed and need a restart
	Held      string                `json:"held"`    // the holds in force in words, one a line
	Holds     []verifier.Hold       `json:"holds"`   // the same
	Services  []string              `json:"services"`
	Unclaimed []Unclaimed           `json:"unclaimed"` // recorded names that the configuration does not know
	Blind     []Blind               `json:"blind"`     // rules that never had data for a place
}

// notesOver is for how long senders are told what they should change.
const notesOver = 7 * 24 * time.Hour

func (d *Daemon) status(ctx context.Context) any {
	s := d.live()
	out := Status{Version: version, Rules: s.rules.Len(), Restart: []string{}, Sources: map[string]string{}, Lags: map[string]string{}, Slowed: map[string]string{}, Problem: d.problem.Load().(string), Services: append([]string{}, s.catalogue.ServiceNames()...)}
	out.Active, out.Waiting, _ = d.store.Counts(ctx)
	out.Holds, out.Held = d.held(ctx)
	if keys := d.restart.Load(); keys != nil {
		out.Restart = append(out.Restart, *keys...)
	}
	out.Hooks, out.Quiet = d.missed.status(s.hooks)
	var err error
	out.Unclaimed, err = unclaimed(ctx, d.store, s.catalogue)
	d.failed("look for unclaimed names", err)
	out.Notes, err = d.store.PerHostNotes(ctx, d.now().Add(-notesOver))
	d.failed("look for deploys without an id", err)
	out.Notes = orEmpty(out.Notes)
	out.Blind, err = d.blind(ctx)
	d.failed("look for rules without data", err)
	for name, b := range s.sources {
		out.Sources[name] = b.State()
		if lag, known := b.Measured(); known {
			out.Lags[name] = lag.Round(100 * time.Millisecond).String()
		}
		if said, _ := b.Slowed(d.now()); said != "" {
			out.Slowed[name] = said
		}
	}
	return out
}

const filesTrouble = "source/files"

// troubles are the daemon's own, by the id of the incident that tells of each.
func (d *Daemon) troubles() map[string]string {
	out := map[string]string{}
	for name, b := range d.live().sources {
		if t := b.Trouble(); t != "" {
			out["source/"+name] = t
		}
	}
	maps.Copy(out, d.missed.troubles())
	if texts := d.blindTexts.Load(); texts != nil {
		maps.Copy(out, *texts)
	}
	for receiver, problem := range d.live().alerting.Broken() {
		out[templatesTrouble+receiver] = "Messages to " + receiver + " go out with the default text, because a template of theirs fails: " + problem
	}
	if problem := d.problem.Load().(string); problem != "" {
		out[filesTrouble] = "The files on disk are wrong; the previous configuration stays in effect: " + problem
	}
	return out
}

// templatesTrouble begins the name of the trouble with a receiver's templates.
const templatesTrouble = "templates/"

const selfEvery = 5 * time.Second

// keepSelf tells self.receiver of the daemon's own troubles, once each, and resolves what is over.
func (d *Daemon) keepSelf(ctx context.Context) {
	slow, states := map[string]bool{}, sourceStates{}
	tick := time.NewTicker(selfEvery)
	defer tick.Stop()
	d.checkSources(ctx, &states)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.probe(ctx)
			d.noteBlind(ctx)
			d.checkSources(ctx, &states)
			d.tellSelf(ctx)
			d.noteLags(d.live())
			d.noteSlowed(d.live(), slow)
			d.resolveEnvironments(ctx)
		}
	}
}

// noteLags shows how late each source is: as measured where that is known, else as configured.
func (d *Daemon) noteLags(s *setup) {
	for name, b := range s.sources {
		lag, known := b.Measured()
		if !known {
			lag = b.Lag()
		}
		d.metrics.Lag(name, lag)
	}
}

// probe tries the sources that do not answer, all at the same time.
func (d *Daemon) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, selfEvery)
	defer cancel()
	var group sync.WaitGroup
	for _, b := range d.live().sources {
		group.Go(func() { b.Probe(ctx) })
	}
	group.Wait()
}

// noteSlowed shows by how much each source's budget slows the watches, and logs once when that begins and when it is over.
func (d *Daemon) noteSlowed(s *setup, slow map[string]bool) {
	for name, b := range s.sources {
		said, by := b.Slowed(d.now())
		d.metrics.Slowed(name, by)
		switch was := slow[name]; {
		case said != "" && !was:
			d.log.Warn("source is asked less often than wanted", "source", name, "cadence", said)
		case said == "" && was:
			d.log.Info("source is asked as often as wanted again", "source", name)
		}
		slow[name] = said != ""
	}
}

func (d *Daemon) tellSelf(ctx context.Context) {
	cfg := d.live().cfg
	open, _, err := d.store.Incidents(ctx, verifier.IncidentFilter{Kind: verifier.IncidentSource, Open: true})
	if err != nil {
		d.failed("look at the daemon's own troubles", err)
		return
	}
	now, troubles := d.now(), d.troubles()
	for _, in := range open {
		name := selfName(in.ID)
		text, still := troubles[name]
		delete(troubles, name)
		switch {
		case !still && strings.HasPrefix(name, blindTrouble) && d.blindTexts.Load() == nil:
			continue // not looked for yet
		case !still && strings.HasPrefix(name, blindTrouble):
			in.Resolved = &now
			in.Title, in.Text = blindTitle(name)+": over", "The rule has data now, or is left out or optional where it had none."
		case !still:
			in.Resolved = &now
			in.Title = over(in.Title)
			in.Text = "It could not from " + moment(in.Opened, now, cfg.zone) + " to " + moment(now, now, cfg.zone) + "."
		case (name == filesTrouble || strings.HasPrefix(name, blindTrouble)) && in.Text != text: // a source's words change all the time, those of files when somebody writes
			in.Title, in.Text = selfTitle(name, text), text
		default:
			continue
		}
		in.Updated = now
		d.failed("tell of "+in.ID, d.tell(ctx, in))
	}
	for _, name := range slices.Sorted(maps.Keys(troubles)) {
		severity := verifier.SeverityPage
		if strings.HasPrefix(name, quietTrouble) || strings.HasPrefix(name, blindTrouble) { // perhaps nobody deploys, or the rule is not meant for them
			severity = verifier.SeverityWarn
		}
		d.failed("tell of "+name, d.tell(ctx, verifier.Incident{
			ID: name + "@" + now.UTC().Format(time.RFC3339), Kind: verifier.IncidentSource, Receiver: cfg.Self.Receiver, Opened: now, Updated: now,
			Labels: map[string]string{"kind": string(verifier.IncidentSource), "severity": string(severity)},
			Title:  selfTitle(name, troubles[name]), Text: troubles[name], Severity: severity, Person: severity == verifier.SeverityPage, URL: cfg.URL + "/",
		}))
	}
}

// over is the title of a trouble that is over.
func over(title string) string {
	if quiet, ok := strings.CutSuffix(title, " is quiet"); ok {
		return quiet + " sends again"
	}
	return strings.Replace(title, "cannot", "can", 1) + " again"
}

var namedFile = regexp.MustCompile(`(?m)(?:^|: |/)([^\s/\\"]+\.ya?ml):`)

// selfTitle says what cannot be read: the source, or the files whose errors the trouble lists.
func selfTitle(name, trouble string) string {
	if strings.HasPrefix(name, blindTrouble) {
		return blindTitle(name)
	}
	if sender, ok := strings.CutPrefix(name, quietTrouble); ok {
		return sender + " is quiet"
	}
	if hook, ok := strings.CutPrefix(name, hookTrouble); ok {
		return "verifier cannot ask " + hook + " for what was missed"
	}
	if receiver, ok := strings.CutPrefix(name, templatesTrouble); ok {
		return "verifier cannot use the templates of receiver " + receiver
	}
	what := strings.TrimPrefix(name, "source/")
	if name == filesTrouble {
		var files []string
		for _, file := range namedFile.FindAllStringSubmatch(trouble, -1) {
			files = append(files, file[1])
		}
		slices.Sort(files)
		what = orDefault(words.List(slices.Compact(files), 3), "its files")
	}
	return "verifier cannot read " + what
}

// moment is a time as people read it, with its day where that is not today's.
func moment(t, now time.Time, zone *time.Location) string {
	return words.Time(t, now, zone)
}

// selfName is the trouble that an incident tells of: its id without the time.
func selfName(id string) string {
	name, _, _ := strings.Cut(id, "@")
	return name
}

// resolveEnvironments resolves the incidents of environments whose hold has ended.
func (d *Daemon) resolveEnvironments(ctx context.Context) {
	open, _, err := d.store.Incidents(ctx, verifier.IncidentFilter{Kind: verifier.IncidentEnvironment, Open: true})
	if err != nil || len(open) == 0 {
		d.failed("look at incidents of environments", err)
		return
	}
	now := d.now()
	holds, err := d.store.Holds(ctx, now, false)
	if err != nil {
		d.failed("look at holds", err)
		return
	}
	for _, in := range open {
		if slices.ContainsFunc(holds, func(h verifier.Hold) bool { return strings.HasPrefix(in.ID, h.ID+"/") && h.Active(now) }) {
			continue
		}
		in.Resolved, in.Updated = &now, now
		in.Title = "Rollbacks in " + in.Labels["environment"] + " are no longer held"
		in.Text = "The hold has ended." + d.stillWorse(ctx, in.Labels["environment"])
		in.Person = false
		d.failed("resolve "+in.ID, d.tell(ctx, in))
	}
}

const mostNamed = 10

// stillWorse names what failed in the environment and is not over: it woke nobody by itself while the hold was on.
func (d *Daemon) stillWorse(ctx context.Context, env string) string {
	open, _, err := d.store.Incidents(ctx, verifier.IncidentFilter{Page: verifier.Page{Limit: 500}, Kind: verifier.IncidentVerdict, Open: true})
	d.failed("look for what is still worse", err)
	var names []string
	for _, in := range open {
		for _, m := range in.Members {
			if m.Resolved == nil && strings.EqualFold(m.Place.Environment, env) {
				names = append(names, m.Place.Service+" "+m.Version)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	more := ""
	if n := len(names) - mostNamed; n > 0 {
		names, more = names[:mostNamed], fmt.Sprintf(" and %d more", n)
	}
	return " Not yet back to normal: " + strings.Join(names, ", ") + more + "."
}

// keepHeartbeat calls the configured address as long as the store answers, so that somebody else notices when the daemon is gone.
func (d *Daemon) keepHeartbeat(ctx context.Context) {
	client := outbound.Client(d.rt, 10*time.Second)
	for {
		beat := d.live().cfg.Self.Heartbeat
		wait := max(time.Second, beat.Every)
		if beat.URL == "" {
			wait = selfEvery // a reload may bring one
		} else if err := d.ready(ctx); err != nil {
			d.failed("send the heartbeat: the store does not answer", err)
		} else {
			d.failed("send the heartbeat", sendHeartbeat(ctx, client, beat.URL))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// sendHeartbeat makes one call. Its errors do not show the address: it is a secret with many services.
func sendHeartbeat(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return errors.New("self.heartbeat.url is not a URL")
	}
	response, err := client.Do(request)
	var where *url.Error
	if errors.As(err, &where) {
		return where.Err
	}
	if err != nil {
		return outbound.Redact(err)
	}
	defer response.Body.Close()
	return outbound.Status(response)
}

func contains[T comparable](list []T, s T) bool { return slices.Contains(list, s) }
