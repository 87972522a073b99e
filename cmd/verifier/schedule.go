package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"verifier"
	"verifier/store"
)

// parseCron reads the five fields of a cron expression, or @daily and its like.
func parseCron(s string) (cron.Schedule, error) {
	schedule, err := cron.ParseStandard(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not a valid cron expression (five fields, like '0 9 1 * *'): %w", s, err)
	}
	return schedule, nil
}

const retentionSchedule = "retention"

// reportOrder is the payload of a report action.
type reportOrder struct {
	Index int       `json:"index"` // of the configuration's list
	At    time.Time `json:"at"`
}

// schedules are the configuration's reports and freezes, and the daily clearing out. A freeze that is on already begins at once.
func (c *Config) schedules(now time.Time) ([]store.Schedule, error) {
	list := []store.Schedule{{Name: retentionSchedule, Cron: "17 3 * * *"}}
	for i, r := range c.Reports {
		list = append(list, store.Schedule{Name: fmt.Sprintf("report/%d", i), Cron: r.Cron})
	}
	for i, f := range c.Holds {
		list = append(list, store.Schedule{Name: fmt.Sprintf("freeze/%d", i), Cron: f.Cron})
	}
	for i := range list {
		from := now
		var n int
		if _, err := fmt.Sscanf(list[i].Name, "freeze/%d", &n); err == nil {
			from = now.Add(-c.Holds[n].For)
		}
		schedule, err := parseCron(list[i].Cron)
		if err != nil {
			return nil, err
		}
		list[i].Next = schedule.Next(from.In(c.zone))
	}
	return list, nil
}

// nextRun is the first time after now: what was missed while the daemon was down happens once.
func (c *Config) nextRun(s store.Schedule, now time.Time) time.Time {
	schedule, err := parseCron(s.Cron)
	if err != nil {
		return now.Add(24 * time.Hour) // unreachable: it was parsed when the configuration was read
	}
	return schedule.Next(now.In(c.zone))
}

// scheduled is what a schedule that is due brings about.
func (c *Config) scheduled(s store.Schedule, now time.Time) verifier.Effects {
	kind, number, _ := strings.Cut(s.Name, "/")
	var i int
	fmt.Sscanf(number, "%d", &i)
	switch {
	case kind == "report" && i < len(c.Reports):
		payload, _ := json.Marshal(reportOrder{Index: i, At: s.Next}) // unreachable error: plain fields
		return verifier.Effects{Actions: []verifier.Action{{
			Key: fmt.Sprintf("report/%d/%s", i, s.Next.UTC().Format(time.RFC3339)), Kind: verifier.ActionReport, Subject: s.Name,
			Payload: payload, State: verifier.ActionWaiting, Created: now, DueAt: now,
		}}}
	case kind == "freeze" && i < len(c.Holds):
		f := c.Holds[i]
		begun := f.lastStart(now, c.zone)
		if begun.IsZero() {
			return verifier.Effects{} // it came and went while the daemon was down
		}
		until := begun.Add(f.For)
		return verifier.Effects{Holds: []verifier.Hold{c.recorded(verifier.Hold{
			ID: fmt.Sprintf("freeze-%s-%d", f.name(), begun.Unix()), By: byConfig, Reason: orDefault(f.Reason, "freeze by schedule"), At: begun,
			Until: &until, Services: f.Services, Environments: f.Environments, Teams: f.Teams, Stops: stopsOr(f.Stops),
		})}}
	}
	return verifier.Effects{}
}

// recorded is a hold by the names that deploys are recorded under: aliases are replaced.
func (c *Config) recorded(h verifier.Hold) verifier.Hold {
	catalogue := c.catalogue()
	h.Services, h.Environments = slices.Clone(h.Services), slices.Clone(h.Environments)
	for i, service := range h.Services {
		h.Services[i] = catalogue.Canonical(verifier.Place{Service: service}).Service
	}
	for i, environment := range h.Environments {
		h.Environments[i] = catalogue.Canonical(verifier.Place{Environment: environment}).Environment
	}
	return h
}

// byConfig is whose the holds of freezes are.
const byConfig = "verifier.yaml"

// name tells a freeze from others by what it is, wherever it stands in the list.
func (f FreezeConfig) name() string {
	text, _ := json.Marshal(f) // unreachable error: plain fields
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// settleFreezes makes the holds of freezes what the configuration says: those that are no longer in it end, and those that are on already
// begin. A hold that somebody ended stays ended, and people's holds are left alone.
func (d *Daemon) settleFreezes(ctx context.Context, cfg *Config, now time.Time) error {
	wanted := map[string]verifier.Hold{}
	for i := range cfg.Holds {
		for _, h := range cfg.scheduled(store.Schedule{Name: fmt.Sprintf("freeze/%d", i)}, now).Holds {
			wanted[h.ID] = h
		}
	}
	known, err := d.store.Holds(ctx, now, true)
	if err != nil {
		return fmt.Errorf("look at holds: %w", err)
	}
	for _, h := range known {
		_, configured := wanted[h.ID]
		delete(wanted, h.ID)
		if h.By != byConfig || !strings.HasPrefix(h.ID, "freeze-") || configured || !h.Active(now) {
			continue
		}
		if err := d.store.EndHold(ctx, h.ID, byConfig, now); err != nil && !errors.Is(err, verifier.ErrNotFound) {
			return fmt.Errorf("end the freeze %s: %w", h.ID, err)
		}
		d.log.Info("a freeze is no longer in the configuration: its hold has ended", "hold", h.ID, "reason", h.Reason)
	}
	for _, h := range wanted {
		if err := d.store.PutHold(ctx, h); err != nil {
			return fmt.Errorf("begin the freeze %s: %w", h.ID, err)
		}
	}
	if len(wanted) > 0 {
		d.runner.Held(ctx)
	}
	return nil
}

// lastStart is when the freeze that is on at that time began, the latest where several overlap; zero when none is on.
func (f FreezeConfig) lastStart(now time.Time, zone *time.Location) time.Time {
	schedule, err := parseCron(f.Cron)
	if err != nil {
		return time.Time{} // unreachable: it was parsed when the configuration was read
	}
	var last time.Time
	for t := schedule.Next(now.Add(-f.For).In(zone)); !t.IsZero() && !t.After(now); t = schedule.Next(t) {
		last = t.UTC()
	}
	return last
}

func stopsOr(stops []string) []string {
	if len(stops) == 0 {
		return []string{verifier.StopsRollback}
	}
	return stops
}

// keepSchedules runs what is due, until the context ends.
func (d *Daemon) keepSchedules(ctx context.Context) {
	for tick := time.NewTicker(5 * time.Second); ; {
		d.runSchedules(ctx, d.now())
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

// runSchedules does what is due at that time.
func (d *Daemon) runSchedules(ctx context.Context, now time.Time) {
	cfg := d.live().cfg
	clear, frozen := false, false
	err := d.store.ClaimSchedules(ctx, now,
		func(s store.Schedule) time.Time { return cfg.nextRun(s, now) },
		func(s store.Schedule) verifier.Effects {
			clear = clear || s.Name == retentionSchedule
			effects := cfg.scheduled(s, now)
			frozen = frozen || len(effects.Holds) > 0
			return effects
		})
	d.failed("run schedules", err)
	if frozen {
		d.runner.Held(ctx)
	}
	if clear {
		d.failed("clear out what is old", d.store.Retain(ctx, now, cfg.Retention.Evidence, cfg.Retention.Deliveries))
	}
}
