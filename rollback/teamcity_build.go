package rollback

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"verifier"
)

// teamCityBuild is a build as the API writes it; all that it lacks is empty.
type teamCityBuild struct {
	ID         json.Number `json:"id"`
	Number     string      `json:"number"`
	Status     string      `json:"status"` // of a finished one: SUCCESS, FAILURE, or UNKNOWN where it was cancelled
	State      string      `json:"state"`
	StatusText string      `json:"statusText"`
	WaitReason string      `json:"waitReason"`
	WebURL     string      `json:"webUrl"`
	Canceled   *struct {
		Text string       `json:"text"`
		User teamCityUser `json:"user"`
	} `json:"canceledInfo"`
	Approval struct {
		Status string `json:"status"`
	} `json:"approvalInfo"`
	Triggered struct {
		Type string       `json:"type"`
		User teamCityUser `json:"user"`
	} `json:"triggered"`
	Comment struct {
		Text string `json:"text"`
	} `json:"comment"`
	Properties struct {
		Property []teamCityProperty `json:"property"`
	} `json:"properties"`
}

type teamCityUser struct {
	Username string `json:"username"`
}

type teamCityProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// teamCityFields are what is asked of a build; what a server does not know it leaves out.
const teamCityFields = "id,number,status,state,statusText,waitReason,webUrl,canceledInfo(text,user(username)),approvalInfo(status)," +
	"triggered(type,user(username)),comment(text),properties(property(name,value))"

// elsewhere is the parameter by which the build is another place's; empty: it is of this place, as far as it tells.
func (b *teamCityBuild) elsewhere(place map[string]string) string {
	for _, p := range b.Properties.Property {
		if value, has := place[p.Name]; has && !strings.EqualFold(value, p.Value) {
			return p.Name
		}
	}
	return ""
}

// task is a build in our words.
func (t *teamCity) task(b teamCityBuild, c verifier.RollbackCall) task {
	out := task{ID: b.ID.String(), URL: b.WebURL, By: cmp.Or(b.Triggered.User.Username, b.Triggered.Type), Note: b.Number}
	if id := t.hook + ":" + out.ID; id == c.Deploy.ID {
		out.Deploy = id
	}
	switch {
	case b.State == "queued" && b.Approval.Status == "waitingForApproval":
		out.State, out.Problem = paused, "its build is to be approved in TeamCity"
	case b.State == "queued":
		out.State, out.Note = queued, b.WaitReason
	case b.State == "running":
		out.State = running
	case b.Canceled != nil:
		out.State, out.Problem = canceled, strings.TrimSpace(b.Canceled.Text)
		if by := b.Canceled.User.Username; by != "" {
			out.Problem = strings.TrimSpace("by " + by + " " + out.Problem)
		}
	case b.State == "finished" && b.Status == "SUCCESS":
		out.State = succeeded
	default:
		out.State, out.Problem = failed, cmp.Or(b.StatusText, fmt.Sprintf("its state is %q and its status %q", b.State, b.Status))
	}
	return out
}

// teamCityOrder asks for a build.
type teamCityOrder struct {
	BuildType struct {
		ID string `json:"id"`
	} `json:"buildType"`
	BranchName string `json:"branchName,omitempty"`
	Comment    struct {
		Text string `json:"text"`
	} `json:"comment"`
	Properties struct {
		Property []teamCityProperty `json:"property"`
	} `json:"properties"`
	Dependencies *teamCityDependencies `json:"snapshot-dependencies,omitempty"`
}

type teamCityDependencies struct {
	Build []struct {
		ID json.Number `json:"id"`
	} `json:"build"`
}

func (t *teamCity) order(ctx context.Context, c verifier.RollbackCall) (*teamCityOrder, error) {
	var out teamCityOrder
	var err error
	if out.BuildType.ID, err = t.id(t.buildType, c); err != nil {
		return nil, err
	}
	if out.BranchName, err = t.branch.fill("teamcity", c); err != nil {
		return nil, err
	}
	values, err := t.filled(c)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out.Properties.Property = append(out.Properties.Property, teamCityProperty{name, values[name]})
	}
	out.Properties.Property = append(out.Properties.Property, teamCityProperty{idProperty, c.ID})
	out.Comment.Text = fmt.Sprintf("%s: back from %s to %s, by %s. %s %s", c.ID, c.From, c.To, c.By, c.Reason, c.URL)
	promoted, err := t.promoted(ctx, c)
	if err != nil {
		return nil, err
	}
	if promoted != nil {
		out.Dependencies = &teamCityDependencies{}
		out.Dependencies.Build = append(out.Dependencies.Build, struct {
			ID json.Number `json:"id"`
		}{promoted.ID})
	}
	return &out, nil
}
