package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// octopusList is the server's audit, whose events are those that subscriptions send.
var octopusList = listing{
	example: "https://octopus.example.com",
	header:  func(_ API, key string) http.Header { return http.Header{"X-Octopus-ApiKey": {key}} },
	list:    listOctopus,
}

type octopusPage struct {
	Items []json.RawMessage `json:"Items"`
	Links map[string]string `json:"Links"`
	Total *int              `json:"TotalResults"`
}

// listOctopus asks each space; without one, the default space.
func listOctopus(ctx context.Context, l *lister, since time.Time) error {
	spaces := l.Projects
	if len(spaces) == 0 {
		spaces = []string{""}
	}
	for _, space := range spaces {
		base := "/api/"
		if space != "" {
			base += url.PathEscape(space) + "/"
		}
		path := base + "events?" + url.Values{
			"eventCategories": {"DeploymentStarted,DeploymentSucceeded,DeploymentFailed,TaskCanceled"}, "from": {since.UTC().Format(time.RFC3339)}, "take": {"100"},
		}.Encode()
		for page := 0; path != ""; page++ {
			if page == mostPages {
				return fmt.Errorf("there are more than %d pages of events", mostPages)
			}
			var got octopusPage
			if err := l.get(ctx, path, &got); err != nil {
				return err
			}
			if got.Items == nil && got.Total == nil {
				return errors.New("the answer is no list of events; is api.url that of Octopus?")
			}
			if err := l.octopusEvents(got.Items, since); err != nil {
				return err
			}
			path = got.Links["Page.Next"]
		}
	}
	return nil
}

func (l *lister) octopusEvents(items []json.RawMessage, since time.Time) error {
	for _, item := range items {
		var e octopusEvent
		if err := json.Unmarshal(item, &e); err != nil || e.ID == "" {
			return unread("an event", err)
		}
		if e.Occurred.Before(since) {
			continue
		}
		body := map[string]any{"EventType": "SubscriptionPayload", "Payload": map[string]any{"ServerUri": l.URL, "Event": item}}
		if err := l.add(e.ID, nil, body); err != nil {
			return err
		}
	}
	return nil
}
