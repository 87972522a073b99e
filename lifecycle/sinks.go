package lifecycle

import (
	"encoding/json"
	"fmt"
	"time"

	"verifier"
)

// sink orders what is to be written of a verification: once when its watch begins, once for each verdict. The writing is done later
// and never delays a verdict.
func (c *change) sink(v *verifier.Verification) {
	if c.Sinks == nil {
		return
	}
	before := c.scene.Watch(v.ID)
	if went(before, v) {
		c.writeTo(v, verifier.Waiting)
	}
	if !v.State.Watching() && (before == nil || before.State != v.State) {
		c.writeTo(v, v.State)
	}
	if before != nil && v.Mark != nil && (before.Mark == nil || *before.Mark != *v.Mark) {
		c.writeTo(v, verifier.MarkedState)
	}
}

// Marked are the sinks' orders for a person's mark on the deploy of a verification.
func (w World) Marked(v verifier.Verification, now time.Time) []verifier.Action {
	c := &change{World: w, scene: &verifier.Scene{}, now: now}
	if c.Sinks != nil {
		c.writeTo(&v, verifier.MarkedState)
	}
	return c.out.Actions
}

// went reports whether the deploy is live now and was not before. One that came in too late marks nothing.
func went(before, v *verifier.Verification) bool {
	if v.Deploy.Status != verifier.Succeeded || v.Late || v.State == verifier.Superseded || v.State == verifier.CancelledState {
		return false
	}
	return before == nil || before.Deploy.Status != verifier.Succeeded
}

func (c *change) writeTo(v *verifier.Verification, state verifier.State) {
	for _, name := range c.Sinks(state) {
		order := verifier.SinkOrder{
			Sink: name, State: state, Service: subjectOf(v.Deploy, c.service(v.Deploy), name).Service, At: c.now, URL: c.page(v.ID), Verification: *v,
		}
		payload, err := json.Marshal(order)
		if err != nil {
			panic(fmt.Sprintf("unreachable: a verification cannot be written: %v", err))
		}
		c.out.Actions = append(c.out.Actions, verifier.Action{
			Key: SinkKey(name, v.ID, state), Kind: verifier.ActionSink, Subject: v.ID, Payload: payload, State: verifier.ActionWaiting,
			Created: c.now, DueAt: c.now,
		})
	}
}

// SinkKey is the key of what is written to a sink about one state of a verification.
func SinkKey(sink, verification string, state verifier.State) string {
	return fmt.Sprintf("sink/%s/%s/%s", sink, verification, state)
}
