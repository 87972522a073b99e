package lifecycle

import (
	"strings"
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

// TestTextsTellTheLocalTime reads what people are told of a rollback, in the configured zone and with the value that is back.
func TestTextsTellTheLocalTime(t *testing.T) {
	t.Parallel()
	s := newSim(t, verifier.ModeAuto)
	s.world.Zone = time.FixedZone("CET", 3600)
	s.good("checkout")
	s.broken["checkout 1.1"] = 0.2
	at := s.clock.In(s.world.Zone)
	s.deploy("checkout", "1.1")
	s.run(40 * time.Minute)
	first, last := s.told[0], s.told[len(s.told)-1]
	if want := "Deployed " + at.Format("15:04") + " CET by anna, replacing 1.0"; !strings.HasSuffix(first.Text, want) {
		t.Errorf("text %q, want it to end with %q", first.Text, want)
	}
	if strings.Contains(first.Text, "UTC") || strings.Count(first.Text, " CET") < 2 {
		t.Errorf("text %q speaks of more zones than CET", first.Text)
	}
	if !strings.HasSuffix(first.Title, " CET") {
		t.Errorf("title %q, want the rollback's time in CET", first.Title)
	}
	if want := "checkout is back on 1.0 in production. Error ratio "; !strings.Contains(last.Title, want) || !strings.Contains(last.Title, " %; bad for ") {
		t.Errorf("title %q, want %q with the share and how long", last.Title, want)
	}
	t.Logf("first: %s | %s\nlast: %s | %s", first.Title, first.Text, last.Title, last.Text)
}
