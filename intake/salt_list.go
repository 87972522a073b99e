package intake

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"verifier/outbound"
)

// saltList is the master's job cache by salt-api. It keeps returns without their times: theirs is that of their job.
var saltList = listing{example: "https://salt.example.com:8000", user: true, list: listSalt}

type saltJob struct {
	Function  string            `json:"Function"`
	Arguments []json.RawMessage `json:"Arguments"`
	Target    any               `json:"Target"`
	User      string            `json:"User"`
	Minions   []string          `json:"Minions"`
	Result    map[string]struct {
		Return  json.RawMessage `json:"return"`
		RetCode *int            `json:"retcode"`
		Success *bool           `json:"success"`
	} `json:"Result"`
}

func listSalt(ctx context.Context, l *lister, since time.Time) error {
	if err := l.saltLogin(ctx); err != nil {
		return err
	}
	var got struct {
		Return []map[string]saltJob `json:"return"`
	}
	if err := l.get(ctx, "/jobs", &got); err != nil {
		return err
	}
	for _, jobs := range got.Return {
		for _, jid := range slices.Sorted(maps.Keys(jobs)) {
			at, ok := saltTime(jid)
			if !ok || at.Before(since) || !slices.Contains(saltStates, jobs[jid].Function) {
				continue
			}
			if err := l.saltJob(ctx, jid, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// saltTime is the time that a job's id is made of, in UTC as the master writes it by default.
func saltTime(jid string) (time.Time, bool) {
	if len(jid) != 20 {
		return time.Time{}, false
	}
	at, err := time.Parse(saltJID, jid[:14]+"."+jid[14:])
	return at, err == nil
}

// saltLogin gets a token for the calls that follow.
func (l *lister) saltLogin(ctx context.Context) error {
	var got struct {
		Return []struct {
			Token string `json:"token"`
		} `json:"return"`
	}
	in := map[string]string{"username": l.User, "password": l.key, "eauth": or(l.Eauth, "pam")}
	if err := l.explain(outbound.JSON(ctx, l.client, http.MethodPost, l.URL+"/login", nil, in, &got)); err != nil {
		return err
	}
	if len(got.Return) == 0 || got.Return[0].Token == "" {
		return errors.New("the answer to /login has no token; is api.url that of salt-api?")
	}
	l.header = http.Header{"X-Auth-Token": {got.Return[0].Token}}
	return nil
}

// saltJob tells of a job, and of the return of each minion.
func (l *lister) saltJob(ctx context.Context, jid string, at time.Time) error {
	var got struct {
		Info []saltJob `json:"info"`
	}
	if err := l.get(ctx, "/jobs/"+url.PathEscape(jid), &got); err != nil {
		return err
	}
	if len(got.Info) == 0 {
		return unread("the job "+jid, nil)
	}
	job := got.Info[0]
	data := map[string]any{"jid": jid, "fun": job.Function, "tgt": job.Target, "user": job.User, "_stamp": at.Format(saltTimes[0])}
	if len(job.Minions) > 0 {
		started := maps.Clone(data)
		started["minions"], started["arg"] = job.Minions, job.Arguments
		if err := l.add(jid+"/new", nil, map[string]any{"tag": "salt/job/" + jid + "/new", "data": started}); err != nil {
			return err
		}
	}
	for _, minion := range slices.Sorted(maps.Keys(job.Result)) {
		r, returned := job.Result[minion], maps.Clone(data)
		returned["id"], returned["fun_args"], returned["return"] = minion, job.Arguments, r.Return
		if r.RetCode != nil {
			returned["retcode"] = *r.RetCode
		}
		if r.Success != nil {
			returned["success"] = *r.Success
		}
		if err := l.add(jid+"/"+minion, nil, map[string]any{"tag": "salt/job/" + jid + "/ret/" + minion, "data": returned}); err != nil {
			return err
		}
	}
	return nil
}
