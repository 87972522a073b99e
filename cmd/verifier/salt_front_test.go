package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"verifier"
)

// saltServer is a Salt master with salt-api and the engine http_logstash, and two minions that apply a state at once.
type saltServer struct {
	shop
	jids []string
	jobs map[string]map[string]any
}

func (s *saltServer) id(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "salt:" + s.jids[n-1]
}

func (s *saltServer) config(api bool) (hook, rollback string) {
	hook = "salt: {user: verifier, secret: s, map: [{sls: shop.deploy, service: shop, environment: production, version: pillar.shop.version}]"
	if api {
		hook += ", api: {url: '" + s.api.URL + "', user: verifier, key: k, every: 1s}"
	}
	return hook + "}", "salt: {url: '" + s.api.URL + "', user: verifier, key: k, target: 'web*', state: shop.deploy, pillar: {shop.version: '{{.To}}'}}"
}

func (s *saltServer) others(verifier.Verification) string {
	return "somebody else's task 20261125121412523045 of sudo_ben, state.apply shop.deploy at web* of shop is running in Salt"
}

func (s *saltServer) deploys(version, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run(by, map[string]any{"mods": "shop.deploy", "pillar": map[string]any{"shop": map[string]string{"version": version}}}, nil)
}

// run is one state run: the job, and its return from each minion. s.mu is held.
func (s *saltServer) run(by string, kwarg map[string]any, metadata any) (jid string) {
	const stamp = "2006-01-02T15:04:05.000000"
	now := time.Now().UTC()
	jid = strings.Replace(now.Format("20060102150405.000000"), ".", "", 1)
	kwarg["__kwarg__"] = true
	arg, minions := []any{kwarg}, []string{"web1", "web2"}
	job := map[string]any{
		"jid": jid, "Function": "state.apply", "Arguments": arg, "Target": "web*", "Target-type": "glob", "User": by, "Minions": minions, "Metadata": metadata,
	}
	result := map[string]any{}
	s.event(map[string]any{"jid": jid, "tgt": "web*", "user": by, "fun": "state.apply", "arg": arg, "minions": minions, "_stamp": now.Format(stamp)})
	s.live = kwarg["pillar"].(map[string]any)["shop"].(map[string]string)["version"]
	for _, minion := range minions {
		states := map[string]any{"file_|-shop_|-/srv/shop_|-managed": map[string]any{"result": true, "__id__": "shop"}}
		result[minion] = map[string]any{"return": states, "retcode": 0, "success": true}
		s.event(map[string]any{
			"cmd": "_return", "jid": jid, "id": minion, "fun": "state.apply", "fun_args": arg, "return": states, "retcode": 0, "success": true, "user": by,
			"_stamp": time.Now().UTC().Format(stamp),
		})
	}
	job["Result"] = result
	if s.jobs == nil {
		s.jobs = map[string]map[string]any{}
	}
	s.jobs[jid] = job
	s.jids = append(s.jids, jid)
	return jid
}

// event is what the engine http_logstash posts: an event's data alone.
func (s *saltServer) event(data map[string]any) {
	body, err := json.Marshal(data)
	if err != nil {
		s.t.Error(err)
	}
	s.send("/v1/hooks/salt", string(body), "Authorization", "Basic dmVyaWZpZXI6cw==")
}

func (s *saltServer) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	s.mu.Lock()
	defer s.mu.Unlock()
	returns := func(v any) { _ = json.NewEncoder(w).Encode(map[string]any{"return": []any{v}}) }
	jid, one := strings.CutPrefix(r.URL.Path, "/jobs/")
	switch {
	case r.URL.Path == "/login":
		returns(map[string]string{"token": "t"})
	case r.Header.Get("X-Auth-Token") != "t":
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/jobs":
		returns(s.jobs)
	case one:
		_ = json.NewEncoder(w).Encode(map[string]any{"info": []any{s.jobs[jid]}})
	default:
		var in []struct {
			Client, Fun string
			Kwarg       struct {
				Mods   string
				Pillar struct{ Shop map[string]string }
			}
			Metadata any
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || len(in) != 1 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		switch call := in[0]; call.Client + " " + call.Fun {
		case "local saltutil.running":
			returns(s.running())
		case "local state.sls_exists":
			returns(map[string]any{"web1": map[string]any{"ret": true}, "web2": map[string]any{"ret": true}})
		case "runner jobs.list_jobs":
			returns(s.jobs)
		case "local_async state.apply":
			s.posts++
			jid := s.run("verifier", map[string]any{"mods": call.Kwarg.Mods, "pillar": map[string]any{"shop": call.Kwarg.Pillar.Shop}}, call.Metadata)
			if s.lost {
				s.lost = false
				panic(http.ErrAbortHandler)
			}
			returns(map[string]any{"jid": jid, "minions": []string{"web1", "web2"}})
		default:
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"status": 500, "return": "An unexpected error occurred"}`)
		}
	}
}

// running is what runs on the minions: nothing, or what somebody began there.
func (s *saltServer) running() map[string]any {
	list := []any{}
	if s.shop.others {
		list = append(list, map[string]any{
			"jid": "20261125121412523045", "fun": "state.apply", "arg": []any{map[string]any{"__kwarg__": true, "mods": "shop.deploy"}}, "tgt": "web*", "user": "sudo_ben",
		})
	}
	return map[string]any{"web1": list, "web2": list}
}

func TestSaltFromEventToReport(t *testing.T) {
	fromEventToReport(t, func() frontTool { return &saltServer{} })
}
