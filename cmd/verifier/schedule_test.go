package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/store"
)

// TestFreezeBySchedule begins and ends a weekend's freeze, and one that began while the daemon was down for weeks.
func TestFreezeBySchedule(t *testing.T) {
	f := openFront(t, frontConfig+"timezone: Europe/Berlin\nholds: [{cron: '0 18 * * 5', for: 48h, environments: [production], reason: weekend}]\n", frontRules)
	defer f.stop()
	f.ask("GET", "/readyz", "", nil) // it answers when the schedules are there
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	friday := time.Date(2040, 3, 9, 18, 0, 0, 0, berlin)
	place := verifier.Place{Service: "shop", Environment: "production"}
	frozen := func(at time.Time) bool {
		t.Helper()
		f.daemon.runSchedules(t.Context(), at)
		holds, err := f.daemon.store.Holds(t.Context(), at, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range holds {
			if h.Active(at) && h.Covers(verifier.StopsRollback, place, "") {
				if h.Reason != "weekend" || h.By != "verifier.yaml" || h.Covers(verifier.StopsRollback, verifier.Place{Service: "shop", Environment: "staging"}, "") {
					t.Errorf("the freeze is %+v", h)
				}
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		at   time.Time
		want bool
	}{
		{friday.Add(-time.Second), false},
		{friday, true},
		{friday.Add(47 * time.Hour), true},
		{friday.Add(48 * time.Hour), false},
		{friday.AddDate(0, 0, 21).Add(30 * time.Hour), true}, // two were missed, and this one's beginning
		{friday.AddDate(0, 0, 21).Add(48 * time.Hour), false},
	} {
		if got := frozen(c.at); got != c.want {
			t.Errorf("at %s it is frozen: %t", c.at.Format(time.RFC1123), got)
		}
	}
}

// TestReportMissedIsSentOnce stops the daemon over the time of a report, and starts it twice.
func TestReportMissedIsSentOnce(t *testing.T) {
	hook := openReceiver(t, nil)
	f := openFront(t, frontConfig+"receivers: [{name: leads, webhook_configs: [{url: '"+hook.URL+"'}]}]\nroute: {receiver: leads}\nreports: [{cron: '0 9 1 * *', receiver: leads}]\n", frontRules)
	f.ask("GET", "/readyz", "", nil) // it answers when the schedules are there
	f.stop()
	if n := len(hook.all()); n != 0 {
		t.Fatalf("%d reports before it is time", n)
	}
	missed := time.Date(2026, 2, 1, 9, 0, 0, 0, time.UTC)
	st, err := store.Open(t.Context(), filepath.Join(f.folder, "verifier.db"), func() *verifier.Catalogue { return &verifier.Catalogue{} })
	if err != nil {
		t.Fatal(err)
	}
	err = st.ClaimSchedules(t.Context(), time.Now().AddDate(1, 0, 0), func(store.Schedule) time.Time { return missed }, func(store.Schedule) verifier.Effects { return verifier.Effects{} })
	if err != nil {
		t.Fatal(err)
	}
	st.Close()
	for range 2 {
		d, err := NewDaemon(t.Context(), filepath.Join(f.folder, "verifier.yaml"), "", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		for end := time.Now().Add(20 * time.Second); len(hook.all()) == 0 && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if list := hook.all(); len(list) != 1 || !strings.Contains(string(list[0].Raw), "Deploys and rollbacks of 2026-01") {
		t.Errorf("%d messages: %v", len(list), list)
	}
}

// TestAlertTestThroughTheCommand tries a receiver of a running daemon, one that is not there, and one without a receiver's name.
func TestAlertTestThroughTheCommand(t *testing.T) {
	hook, pager := openReceiver(t, nil), openReceiver(t, nil)
	f := openFront(t, frontConfig+fmt.Sprintf("receivers: [{name: chat, webhook_configs: [{url: '%s'}], pagerduty_configs: [{routing_key: k, url: '%s'}]}]\nroute: {receiver: chat}\n", hook.URL, pager.URL), frontRules)
	defer f.stop()
	if code, out := command(t, "explain", "--alert-test", "chat", "--server", f.url); code != exitOK || !strings.Contains(out, "chat") {
		t.Fatalf("%d %s", code, out)
	}
	for end := time.Now().Add(20 * time.Second); len(hook.all())+len(pager.all()) < 2 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if list := hook.all(); len(list) != 1 || !strings.Contains(string(list[0].Raw), "A test of the receiver chat") || !strings.Contains(string(list[0].Raw), "Nothing is wrong") {
		t.Errorf("the webhook got %v", list)
	}
	if list := pager.all(); len(list) != 1 || list[0].Body["event_action"] != "trigger" {
		t.Errorf("the pager got %v", list)
	}
	if code, out := command(t, "explain", "--alert-test", "nobody", "--server", f.url); code == exitOK || !strings.Contains(out, "nobody") || !strings.Contains(out, "receivers are: chat") {
		t.Errorf("a receiver that is not there: %d %s", code, out)
	}
}

// TestFreezesNameAliases lets a freeze over an alias hold the environment and the service that it stands for.
func TestFreezesNameAliases(t *testing.T) {
	c := &Config{Environments: []EnvironmentConfig{{Name: "production", Aliases: []string{"live"}}}}
	c.Services.list = make([]ServiceConfig, 1)
	c.Services.list[0].Match.Service, c.Services.list[0].Aliases = "checkout", []string{"Shop.Checkout"}
	h := c.recorded(verifier.Hold{Environments: []string{"Live", "stag*"}, Services: []string{"shop.checkout", "pay*"}})
	if got := strings.Join(append(h.Environments, h.Services...), " "); got != "production stag* checkout pay*" {
		t.Errorf("it holds %s", got)
	}
}
