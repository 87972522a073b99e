package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// teamCityList is the builds of the REST API, which are what the webhooks send.
var teamCityList = listing{example: "https://teamcity.example.com", header: bearer, list: listTeamCity}

const teamCityFields = "nextHref,build(id,number,status,state,personal,branchName,webUrl,startDate,finishDate,buildTypeId,buildType(id,name,projectId,projectName)," +
	"triggered(user(username)),canceledInfo(timestamp),revisions(count,revision(version)),properties(property(name,value)))"

// listTeamCity asks for builds that run, and for those that ended since; with projects, of these and those below them alone.
func listTeamCity(ctx context.Context, l *lister, since time.Time) error {
	of := []string{""}
	if len(l.Projects) > 0 {
		of = nil
		for _, p := range l.Projects {
			of = append(of, ",affectedProject:(id:"+p+")")
		}
	}
	for _, project := range of {
		for _, locator := range []string{
			"state:finished,finishDate:(date:" + since.UTC().Format(teamCityTime) + ",condition:after)",
			"state:running",
		} {
			path := "/app/rest/builds?" + url.Values{"locator": {"defaultFilter:false," + locator + project + ",count:100"}, "fields": {teamCityFields}}.Encode()
			if err := l.teamCityBuilds(ctx, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lister) teamCityBuilds(ctx context.Context, path string) error {
	for page := 0; path != ""; page++ {
		if page == mostPages {
			return fmt.Errorf("there are more than %d pages of builds", mostPages)
		}
		var got struct {
			NextHref string            `json:"nextHref"`
			Builds   []json.RawMessage `json:"build"`
		}
		if err := l.get(ctx, path, &got); err != nil {
			return err
		}
		for _, item := range got.Builds {
			var b teamCityBuild
			if err := json.Unmarshal(item, &b); err != nil || b.ID == "" {
				return unread("a build", err)
			}
			event := "BUILD_FINISHED"
			switch {
			case b.State == "running":
				event = "BUILD_STARTED"
			case b.State != "finished" && b.State != "":
				continue
			}
			if err := l.add(event+"/"+b.ID.String(), nil, map[string]any{"eventType": event, "payload": item}); err != nil {
				return err
			}
		}
		path = l.below(got.NextHref)
	}
	return nil
}

// below is a path of an answer, which counts from the server's root, as one below the configured address.
func (l *lister) below(href string) string {
	if u, err := url.Parse(l.URL); err == nil && u.Path != "" {
		href = strings.TrimPrefix(href, u.Path)
	}
	return href
}
