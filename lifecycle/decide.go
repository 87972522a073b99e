package lifecycle

import (
	"context"

	"verifier"
)

// decision takes events through Step for the store, and keeps what they changed until that is written.
type decision struct {
	runner  *Runner
	world   World
	made    verifier.Effects // of the last event
	order   []string
	changed map[string]*moving
}

// moving is one verification before and after; before is the zero value for a new one.
type moving struct{ before, after verifier.Verification }

func (r *Runner) decision(world World) *decision {
	return &decision{runner: r, world: world, changed: map[string]*moving{}}
}

// step decides on one event. The store may run it anew in another transaction: then the last run counts.
func (d *decision) step(e Event) func(*verifier.Scene) (verifier.Effects, error) {
	return func(s *verifier.Scene) (verifier.Effects, error) {
		before := map[string]verifier.Verification{}
		for _, v := range s.Watches {
			before[v.ID] = v
		}
		effects, err := d.world.Step(s, e, d.runner.Now())
		d.made = effects
		for _, v := range effects.Verifications {
			if known := d.changed[v.ID]; known != nil {
				known.after = v
				continue
			}
			d.changed[v.ID] = &moving{before[v.ID], v}
			d.order = append(d.order, v.ID)
		}
		return effects, err
	}
}

// written tells the observer of each verification that changed, once the store has it.
func (d *decision) written() {
	for _, id := range d.order {
		d.runner.moved(d.changed[id].before, d.changed[id].after)
	}
}

func (r *Runner) moved(before, after verifier.Verification) {
	if r.Observer.Moved != nil {
		r.Observer.Moved(before, after)
	}
}

// Decide takes one event about a verification through Step and the store, and tells the observer of every verification that it changed.
// All events go this way, or, where they come with a deploy, by Arriving. With an error the verification is the zero value.
func (r *Runner) Decide(ctx context.Context, id string, e Event) (verifier.Verification, error) {
	v, _, err := r.decide(ctx, r.World(), id, e)
	return v, err
}

func (r *Runner) decide(ctx context.Context, world World, id string, e Event) (verifier.Verification, verifier.Effects, error) {
	d := r.decision(world)
	v, err := r.Store.Decide(ctx, id, d.step(e))
	if err != nil {
		return verifier.Verification{}, verifier.Effects{}, err
	}
	d.written()
	return *v, d.made, nil
}

// Arriving is how deploys that are being recorded come to a decision; written is called once they are.
func (r *Runner) Arriving() (decide func(*verifier.Scene) (verifier.Effects, error), written func()) {
	d := r.decision(r.World())
	return d.step(Arrived{}), d.written
}
