package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/alerting"
	"verifier/lifecycle"
	"verifier/report"
	"verifier/store"
)

// recorder is the daemon as intake sees it.
type recorder struct{ *Daemon }

// Record writes a delivery and what follows from it, and counts what was new.
func (r recorder) Record(ctx context.Context, delivery verifier.Delivery, deploys []verifier.Deploy) ([]verifier.Receipt, error) {
	decide, written := r.runner.Arriving()
	seen := map[string]verifier.Deploy{}
	receipts, err := r.store.Record(ctx, delivery, deploys, func(s *verifier.Scene) (verifier.Effects, error) {
		seen[s.Deploy.ID] = s.Deploy
		return decide(s)
	})
	if err != nil {
		return nil, err
	}
	if delivery.Outcome == "" {
		delivery.Outcome = verifier.Recorded
	}
	for _, receipt := range receipts {
		if receipt.Conflict != nil {
			delivery.Outcome, delivery.Problem = verifier.Conflict, receipt.Conflict.Error()
		}
	}
	r.metrics.Delivered(delivery.Tool, delivery.Outcome)
	if slices.Contains(verifier.Unresolved, delivery.Outcome) {
		r.log.Warn("a delivery is no deploy", "hook", delivery.Tool, "delivery", delivery.ID, "outcome", delivery.Outcome, "why", delivery.Problem)
	}
	for i := range receipts {
		receipts[i].URL = r.page(receipts[i])
		if deploy, ok := seen[receipts[i].ID]; ok {
			r.metrics.Recorded(deploy)
		}
	}
	written()
	return receipts, nil
}

// Refused counts a sender that did not prove who it is.
func (r recorder) Refused(hook string, why error) {
	r.metrics.Delivered(hook, verifier.Refused)
	r.log.Warn("a delivery was refused", "hook", hook, "why", why)
}

func (d *Daemon) page(r verifier.Receipt) string {
	if r.Verification == "" {
		return d.live().cfg.URL + "/"
	}
	return d.live().cfg.URL + "/verifications/" + url.PathEscape(r.Verification)
}

// order is a person's word on a verification. Who comes too late, or is denied by a guard, is told how things stand.
func (d *Daemon) order(ctx context.Context, id string, o verifier.Order) (verifier.Verification, error) {
	v, err := d.runner.Decide(ctx, id, lifecycle.Ordered{Verification: id, Order: o})
	if err == nil && (o.Verb == verifier.Approve || o.Verb == verifier.RollBack) {
		err = lifecycle.Vetoed(v)
	}
	var conflict *verifier.ConflictError
	if errors.As(err, &conflict) {
		if now, e := d.store.Verification(ctx, id); e == nil {
			conflict.Present = &now
		}
	}
	return v, err
}

// presses are what a person may do with the verification now, by the same rule as the links of its alerts.
func (d *Daemon) presses(ctx context.Context, v verifier.Verification, admin bool) ([]verifier.Press, error) {
	now := d.now()
	scene, err := d.store.Scene(ctx, v.ID, now)
	if err != nil {
		return nil, err
	}
	return d.world().Presses(scene, v, admin, now), nil
}

// muted reports whether a mute covers everything that the incident speaks of.
func (d *Daemon) muted(in verifier.Incident, now time.Time) bool {
	if in.Kind == verifier.IncidentReport || in.Kind == verifier.IncidentSource {
		return false
	}
	holds, err := d.store.Holds(context.Background(), now, false)
	if err != nil {
		d.failed("look for mutes", err)
		return false // rather one message too many
	}
	place := verifier.Place{Service: in.Labels["service"], Environment: in.Labels["environment"], Target: in.Labels["target"]}
	covers := func(p verifier.Place, team string) bool {
		for _, h := range holds {
			if h.Active(now) && h.Covers(verifier.StopsAlert, p, team) {
				return true
			}
		}
		return false
	}
	if len(in.Members) == 0 {
		return covers(place, in.Labels["team"])
	}
	for _, m := range in.Members {
		if !covers(m.Place, in.Labels["team"]) {
			return false
		}
	}
	return true
}

// marking is the store as the API and the console see it: a mark is told to the sinks that heed it.
type marking struct {
	*store.Store
	daemon *Daemon
}

// MarkDeploy keeps a person's word, and tells of it.
func (m marking) MarkDeploy(ctx context.Context, id string, mark verifier.Mark) error {
	if err := m.Store.MarkDeploy(ctx, id, mark); err != nil {
		return err
	}
	v, err := m.Verification(ctx, id)
	if errors.Is(err, verifier.ErrNotFound) {
		return nil // it was never watched
	}
	if err != nil {
		return err
	}
	return errors.Join(m.Save(ctx, verifier.Effects{Actions: m.daemon.world().Marked(v, m.daemon.now())})...)
}

// report is one month's figures.
func (d *Daemon) report(ctx context.Context, month, by string) (report.Report, error) {
	s := d.live()
	made, err := makeReport(ctx, d.store, month, by, s.cfg.zone, s.catalogue)
	made.URL = s.cfg.URL + "/"
	return made, err
}

// tallier is what a report needs of the store.
type tallier interface {
	Tallies(ctx context.Context, first, last string, zone *time.Location) ([]verifier.Tally, error)
	RuleTallies(ctx context.Context, first, last string, zone *time.Location) ([]verifier.RuleTally, error)
	Timings(ctx context.Context, month string, zone *time.Location) ([]verifier.Timing, error)
}

func makeReport(ctx context.Context, from tallier, month, by string, zone *time.Location, catalogue *verifier.Catalogue) (report.Report, error) {
	bounds, err := report.Month(month, zone)
	if err != nil {
		return report.Report{}, err
	}
	tallies, err := from.Tallies(ctx, bounds.Back(report.MonthsBefore).Name, bounds.Name, zone)
	if err != nil {
		return report.Report{}, err
	}
	rules, err := from.RuleTallies(ctx, bounds.Back(report.MonthsBefore).Name, bounds.Name, zone)
	if err != nil {
		return report.Report{}, err
	}
	timings, err := from.Timings(ctx, bounds.Name, zone)
	if err != nil {
		return report.Report{}, err
	}
	return report.Make(bounds, by, tallies, rules, timings, catalogue.Production)
}

// sendReport makes the report of the month before the schedule's time, and tells its receiver of it.
func (d *Daemon) sendReport(ctx context.Context, a verifier.Action) (verifier.Performed, error) {
	var order reportOrder
	if err := json.Unmarshal(a.Payload, &order); err != nil {
		return verifier.Performed{}, fmt.Errorf("read the order of the report: %w", err)
	}
	cfg := d.live().cfg
	if order.Index >= len(cfg.Reports) {
		return verifier.Performed{}, errors.New("this report is no longer in the configuration")
	}
	wanted := cfg.Reports[order.Index]
	at := order.At.In(cfg.zone)
	month := time.Date(at.Year(), at.Month()-1, 1, 0, 0, 0, 0, cfg.zone).Format("2006-01")
	made, err := d.report(ctx, month, wanted.By)
	if err != nil {
		return verifier.Performed{}, err
	}
	var text, page strings.Builder
	if err := errors.Join(made.Write(&text, "text"), made.HTML(&page)); err != nil {
		return verifier.Performed{}, err
	}
	now := d.now()
	in := verifier.Incident{
		ID: a.Key, Kind: verifier.IncidentReport, Receiver: wanted.Receiver, Opened: now, Updated: now, Resolved: &now,
		Labels: map[string]string{"kind": string(verifier.IncidentReport), "severity": string(verifier.SeverityWarn)},
		Title:  "Deploys and rollbacks of " + month, Text: text.String(), HTML: page.String(), Severity: verifier.SeverityWarn, URL: cfg.URL + "/reports/" + month,
	}
	return verifier.Performed{Message: "report " + month}, d.tell(ctx, in)
}

// tell writes an incident that is not about one verification, with the actions that send it.
func (d *Daemon) tell(ctx context.Context, in verifier.Incident) error {
	effects := verifier.Effects{Incidents: []verifier.Incident{in}, Actions: d.live().alerting.Targets(in, d.now())}
	return errors.Join(d.store.Save(ctx, effects)...)
}

// alertTest sends a test incident to one receiver, and waits for nothing: the action log says what became of it.
func (d *Daemon) alertTest(ctx context.Context, receiver, by string) error {
	known := d.live().alerting.Receivers()
	if !contains(known, receiver) {
		return verifier.Invalid("receiver", "%q is not there; receivers are: %s", receiver, orDefault(strings.Join(known, ", "), "none"))
	}
	return d.tell(ctx, alerting.TestIncident(receiver, d.now(), by))
}

// ready reports whether the store answers, and whether it could be written the last time.
func (d *Daemon) ready(ctx context.Context) error {
	_, _, err := d.store.Counts(ctx)
	return errors.Join(err, d.store.Trouble())
}

// banner is what every page of the console says on top, besides the holds.
func (d *Daemon) banner() string {
	if problem := d.problem.Load().(string); problem != "" {
		return "The files on disk are wrong; the previous configuration stays in effect: " + problem
	}
	return ""
}
