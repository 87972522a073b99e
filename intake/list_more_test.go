package intake

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// pages serves JSON by path and query (as far as it is written), to who has the header.
func pages(header, value string, answers map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if header != "" && r.Header.Get(header) != value {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		for where, answer := range answers {
			method, path, _ := strings.Cut(where, " ")
			path, query, _ := strings.Cut(path, "?")
			if r.Method == method && r.URL.EscapedPath() == path && strings.Contains(r.URL.RawQuery, query) {
				fmt.Fprint(w, answer)
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestListMore(t *testing.T) {
	const argo = `{"metadata":{"name":"shop","uid":"u1"},"spec":{"project":"default","destination":{"namespace":"production"}},"status":{
		"history":[{"id":1,"revision":"v1.4.0","deployStartedAt":"2026-11-24T09:00:00Z","deployedAt":"2026-11-24T09:01:00Z"},
			{"id":2,"revision":"v1.4.1","deployStartedAt":"2026-11-24T11:10:00Z","deployedAt":"2026-11-24T11:11:00Z","initiatedBy":{"username":"anna"}}],
		"operationState":{"phase":"Failed","startedAt":"2026-11-24T11:20:00Z","finishedAt":"2026-11-24T11:21:00Z","syncResult":{"revision":"v1.4.2"},"operation":{"initiatedBy":{"username":"ben"}}}}}`
	for _, c := range []struct {
		hook  Hook
		serve http.HandlerFunc
		want  string
	}{
		{
			asksWith("gitlab", API{Projects: []string{"acme/shop"}}),
			pages("Private-Token", "k", map[string]string{
				"GET /api/v4/projects/acme%2Fshop": `{"id":1,"name":"shop","path_with_namespace":"acme/shop","web_url":"https://gitlab.example.com/acme/shop"}`,
				"GET /api/v4/projects/acme%2Fshop/deployments?updated_after=2026-11-24T11": `[{"id":41,"iid":2,"ref":"v1.4.2","sha":"a91957a858320c0e17f3a0eca7cfacbff50ea29a","status":"success",
					"created_at":"2026-11-24T11:20:00.123Z","updated_at":"2026-11-24T11:30:01.5Z","user":{"username":"anna"},"environment":{"id":9,"name":"production"},
					"deployable":{"finished_at":"2026-11-24T11:30:00Z","web_url":"https://gitlab.example.com/acme/shop/-/jobs/1"}}]`,
			}),
			"it:41 shop|production||v1.4.2 succeeded 11:30\n",
		},
		{
			asksWith("argocd", API{}),
			pages("Authorization", "Bearer k", map[string]string{"GET /api/v1/applications": `{"items":[` + argo + `]}`}),
			"it:u1/2026-11-24T11:10:00Z shop|production||v1.4.1 succeeded 11:11\nit:u1/2026-11-24T11:20:00Z shop|production||v1.4.2 failed 11:21\n",
		},
		{
			asksWith("jenkins", API{User: "u", Projects: []string{"folder/deploy-shop"}}, map[string]string{"job": "deploy-*", "service": "shop", "environment": "parameter.ENV", "version": "parameter.VERSION"}),
			pages("Authorization", "Basic dTpr", map[string]string{
				"GET /job/folder/job/deploy-shop/api/json?tree=name": `{"name":"deploy-shop","builds":[
					{"number":9,"url":"https://jenkins.example.com/9/","building":true,"timestamp":1795520400000,"actions":[{},{"parameters":[{"name":"ENV","value":"production"},{"name":"VERSION","value":"1.4.3"}]}]},
					{"number":8,"url":"https://jenkins.example.com/8/","result":"SUCCESS","timestamp":1795519800000,"duration":60000,"actions":[{"parameters":[{"name":"ENV","value":"production"},{"name":"VERSION","value":"1.4.2"}]},{"lastBuiltRevision":{"SHA1":"abc"}}]},
					{"number":7,"result":"SUCCESS","timestamp":1795500000000,"duration":60000,"actions":[]}]}`,
			}),
			"it:deploy-shop/8 shop|production||1.4.2 succeeded 11:31\nit:deploy-shop/9 shop|production||1.4.3 started 11:40\n",
		},
		{
			asksWith("azuredevops", API{Projects: []string{"shop"}}),
			pages("Authorization", "Basic Oms=", map[string]string{
				"GET /shop/_apis/release/deployments?minModifiedTime=2026-11-24T11": `{"count":1,"value":[{"id":31,"release":{"id":5,"name":"Release-12"},"releaseDefinition":{"name":"Shop"},
					"releaseEnvironment":{"id":2,"name":"production"},"deploymentStatus":"succeeded","operationStatus":"Approved","startedOn":"2026-11-24T11:20:00.1234567Z","completedOn":"2026-11-24T11:30:00.1234567Z"}]}`,
			}),
			"it:release/31 shop|production||Release-12 succeeded 11:30\n",
		},
		{
			asksWith("salt", API{User: "verifier"}, map[string]string{"sls": "shop", "service": "shop", "environment": "production", "version": "pillar.version"}),
			func(w http.ResponseWriter, r *http.Request) {
				answers := map[string]string{"POST /login": `{"return":[{"token":"t","user":"verifier"}]}`}
				if r.Header.Get("X-Auth-Token") == "t" {
					answers = map[string]string{
						"GET /jobs": `{"return":[{"20261124113000123456":{"Function":"state.sls","Target":"web*","User":"anna","StartTime":"2026, Nov 24 11:30:00.123456"},
							"20261124093000123456":{"Function":"state.sls"},"20261124113100123456":{"Function":"test.ping"}}]}`,
						"GET /jobs/20261124113000123456": `{"info":[{"jid":"20261124113000123456","Function":"state.sls","Arguments":["shop",{"pillar":{"version":"1.4.2"},"__kwarg__":true}],"Target":"web*","User":"anna",
							"Minions":["web1","web2"],"Result":{"web1":{"return":{"a":{"result":true}},"retcode":0,"success":true},"web2":{"return":{"a":{"result":false,"comment":"no"}},"retcode":2,"success":true}}}],"return":[{}]}`,
					}
				}
				pages("", "", answers)(w, r)
			},
			strings.Repeat("it:20261124113000123456 shop|production||1.4.2 started 11:30\n", 3),
		},
	} {
		list, err := listedBy(t, c.hook, c.serve)
		if got := toldBy(t, list, err); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.hook.Tool, got, c.want)
		}
		if c.hook.Tool == "salt" && len(list) == 3 {
			if d := list[2].Deploys[0]; len(list[0].Deploys[0].Expected) != 2 || len(d.FailedHosts) != 1 || d.Hosts[0] != "web2" {
				t.Errorf("salt: %+v", list)
			}
		}
	}
}
