package lifecycle

import (
	"testing"
	"time"

	"verifier"
)

// TestSecondIncidentOfAGroup fails members of one group after its incident was resolved: they share the next one.
func TestSecondIncidentOfAGroup(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeApprove)
	s.good("cart", "search", "stock", "users")
	grouped := func(d *verifier.Deploy) { d.Group = "train" }
	fail := func(service string) string {
		s.broken[service+" 1.1"] = 0.2
		return s.deploy(service, "1.1", grouped).Verification
	}
	ids := []string{fail("cart")}
	for _, service := range []string{"search", "stock"} {
		s.run(10 * time.Minute)
		last := s.get(ids[len(ids)-1])
		if err := s.order(last.ID, verifier.RollBack, "1.0"); err != nil {
			t.Fatal(err)
		}
		s.run(30 * time.Minute)
		in, err := s.store.Incident(t.Context(), s.get(last.ID).Incident)
		if err != nil || in.Resolved == nil {
			t.Fatalf("incident %q is not resolved (%v)", in.ID, err)
		}
		ids = append(ids, fail(service))
	}
	ids = append(ids, fail("users"))
	s.run(10 * time.Minute)
	const base = "verdict/train/production/payments"
	for i, want := range []string{base, base + "/2", base + "/3", base + "/3"} {
		if got := s.get(ids[i]).Incident; got != want {
			t.Errorf("failure %d belongs to %q, want %q", i+1, got, want)
		}
	}
	if in, err := s.store.Incident(t.Context(), base); err != nil || in.Resolved == nil || len(in.Members) != 1 {
		t.Errorf("the first incident was touched again: %+v (%v)", in, err)
	}
}
