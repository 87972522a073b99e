package intake

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// jenkinsList is the builds of jobs.
var jenkinsList = listing{
	example: "https://jenkins.example.com", projects: "the jobs, like deploy-shop or folder/deploy-shop", user: true,
	header: func(a API, key string) http.Header {
		return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(a.User+":"+key))}}
	},
	list: listJenkins,
}

const jenkinsTree = "name,builds[number,url,result,building,timestamp,duration,actions[parameters[name,value],lastBuiltRevision[SHA1,branch[name]]]]{0,100}"

type jenkinsBuild struct {
	Number    json.Number `json:"number"`
	URL       string      `json:"url"`
	Result    string      `json:"result"`
	Building  bool        `json:"building"`
	Timestamp int64       `json:"timestamp"` // ms, of its start
	Duration  int64       `json:"duration"`
	Actions   []struct {
		Parameters []struct {
			Name  string `json:"name"`
			Value any    `json:"value"`
		} `json:"parameters"`
		Revision struct {
			SHA    string `json:"SHA1"`
			Branch []struct {
				Name string `json:"name"`
			} `json:"branch"`
		} `json:"lastBuiltRevision"`
	} `json:"actions"`
}

func listJenkins(ctx context.Context, l *lister, since time.Time) error {
	for _, job := range l.Projects {
		path := ""
		for _, part := range strings.Split(strings.Trim(job, "/"), "/") {
			path += "/job/" + url.PathEscape(part)
		}
		var got struct {
			Name   string         `json:"name"`
			Builds []jenkinsBuild `json:"builds"`
		}
		if err := l.get(ctx, path+"/api/json?tree="+url.QueryEscape(jenkinsTree), &got); err != nil {
			return err
		}
		for _, b := range got.Builds {
			if b.Number == "" {
				return unread("a build", nil)
			}
			if time.UnixMilli(b.Timestamp+b.Duration).Before(since) && !b.Building {
				continue
			}
			phase := "COMPLETED"
			if b.Building {
				phase = "STARTED"
			}
			if err := l.add(job+"/"+b.Number.String()+"/"+phase, nil, b.event(got.Name, phase)); err != nil {
				return err
			}
		}
	}
	return nil
}

// event is the build in the words of the Notification plugin, whose time of COMPLETED is the build's end.
func (b jenkinsBuild) event(job, phase string) map[string]any {
	at, parameters, scm := b.Timestamp, map[string]string{}, map[string]string{}
	if phase == "COMPLETED" {
		at += b.Duration
	}
	for _, a := range b.Actions {
		for _, p := range a.Parameters {
			parameters[p.Name] = worded(p.Value)
		}
		if a.Revision.SHA != "" {
			scm["commit"] = a.Revision.SHA
		}
		if len(a.Revision.Branch) > 0 {
			scm["branch"] = a.Revision.Branch[0].Name
		}
	}
	return map[string]any{"name": job, "build": map[string]any{
		"full_url": b.URL, "number": b.Number, "timestamp": at, "phase": phase, "status": b.Result, "parameters": parameters, "scm": scm,
	}}
}
