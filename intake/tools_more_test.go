package intake

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"verifier"
)

// TestRealworldSalt holds that a state whose name is a list hides no failed state beside it.
func TestRealworldSalt(t *testing.T) {
	hook := Hook{Secret: "s", Header: "X-Key", Map: []map[string]string{{"sls": "shop.deploy", "service": "shop", "environment": "production", "version": "pillar.version"}}}
	deploys, why, err := mappedBy("salt", hook, verifier.Delivery{ReceivedAt: now, Body: realworld(t, "salt-module-run-name-list", "ret.json")})
	if err != nil || len(deploys) != 1 {
		t.Fatalf("%v, %q, %v", deploys, why, err)
	}
	if d := deploys[0]; len(d.FailedHosts) != 1 || d.FailedHosts[0] != "web1" || d.Labels["failed"] != "web1: /etc/shop.conf: Source file not found" {
		t.Errorf("%+v", d)
	}
}

// TestSaltReturns reads each state by itself, and tells what cannot be read.
func TestSaltReturns(t *testing.T) {
	const good = `"pkg_|-a_|-a_|-installed":{"name":"a","result":true,"comment":"ok","__run_num__":0}`
	for text, want := range map[string]string{
		`{` + good + `}`: "",
		`{` + good + `,"b":{"name":"b","result":false,"comment":"no","__run_num__":1}}`:                     "failed web1: b: no",
		`{"a":{"name":["x",{"y":1}],"result":false,"comment":["p","q"]}}`:                                   `failed web1: x, {"y":1}: p, q`,
		`{"a":"VALUE_TRIMMED","b":{"name":"b","result":false,"comment":"no"}}`:                              "failed web1: b: no",
		`{"a":[1,2],"b":{"result":false,"comment":null}}`:                                                   "failed web1: b: ",
		`{"a":{"name":7,"result":"False","comment":7}}`:                                                     "failed web1: 7: 7",
		`{"z":{"name":"z","result":false,"__run_num__":1},"a":{"name":"a","result":false,"__run_num__":2}}`: "failed web1: z: ",
		`{"a":{"name":"a","result":null,"comment":"would"}}`:                                                "",
		`{` + good + `,"b":"VALUE_TRIMMED"}`:                                                                "unknown web1: Salt left out the state b (VALUE_TRIMMED, see max_event_size)",
		`{"b":{"name":"b","result":"VALUE_TRIMMED"}}`:                                                       "unknown web1: Salt left out the result of b (VALUE_TRIMMED, see max_event_size)",
		`"VALUE_TRIMMED"`: "unknown web1: Salt left out the return (VALUE_TRIMMED, see max_event_size), so failed states are not known",
		`"The minion function caused an exception: Traceback"`: "failed web1: The minion function caused an exception: Traceback",
		`"'state.aply' is not available."`:                     "failed web1: 'state.aply' is not available.",
		`["Rendering SLS failed",{"x":1}]`:                     `failed web1: Rendering SLS failed, {"x":1}`,
		`false`:                                                "failed web1: the return is false",
	} {
		body := fmt.Sprintf(`{"jid":"20261124100000000000","id":"web1","fun":"state.apply","fun_args":["shop"],"retcode":0,"success":true,"return":%s}`, text)
		events, why, err := readSalt(nil, verifier.Delivery{ReceivedAt: now, Body: []byte(body)})
		if err != nil || len(events) != 1 {
			t.Errorf("%s: %v, %q, %v", text, events, why, err)
			continue
		}
		got := ""
		for name, value := range events[0].Deploy.Labels {
			got += name + " " + value
		}
		if got != want || (len(events[0].Deploy.FailedHosts) > 0) != strings.HasPrefix(want, "failed") {
			t.Errorf("%s: %q (failed: %v), want %q", text, got, events[0].Deploy.FailedHosts, want)
		}
	}
	body := `{"jid":"20261124100000000000","id":"web1","fun":"state.apply","fun_args":["shop"],"return":"VALUE_TRIMMED"}`
	if events, _, err := readSalt(nil, verifier.Delivery{ReceivedAt: now, Body: []byte(body)}); err != nil || len(events[0].Deploy.FailedHosts) != 1 {
		t.Errorf("where nothing says how it went: %+v, %v", events, err)
	}
}

// TestTCWebHooksVariants reads ids that are numbers, and takes personal builds for no deploys, in both of TeamCity's hooks.
func TestTCWebHooksVariants(t *testing.T) {
	for body, want := range map[string]string{
		`{"build":{"buildId":9007199254740993,"buildNumber":7,"notifyType":"buildFinished","buildResult":"success"}}`:                                             "9007199254740993 7",
		`{"buildId":"12","buildNumber":"1.4.2","notifyType":"buildStarted"}`:                                                                                      "12 1.4.2",
		`{"build":{"buildId":12,"buildNumber":"7","notifyType":"buildFinished","buildResult":"success","buildIsPersonal":true}}`:                                  personalBuild,
		`{"build":{"buildId":"12","buildNumber":"7","notifyType":"buildFinished","buildResult":"success","buildIsPersonal":"true"}}`:                              personalBuild,
		`{"build":{"buildId":"12","buildNumber":"7","notifyType":"buildFinished","buildResult":"success","teamcityProperties":{"build.is.personal":"true"}}}`:     personalBuild,
		`{"build":{"buildId":"12","buildNumber":"7","notifyType":"buildFinished","buildResult":"success","buildIsPersonal":"false","teamcityProperties":["ok"]}}`: "12 7",
	} {
		holdEvent(t, "tcwebhooks", body, want)
	}
	for body, want := range map[string]string{
		`{"eventType":"BUILD_FINISHED","payload":{"id":12,"number":"7","status":"SUCCESS","personal":true}}`:                                                              personalBuild,
		`{"eventType":"BUILD_STARTED","payload":{"id":12,"number":"7","properties":{"property":[{"name":"build.is.personal","value":"true"}]}}}`:                          personalBuild,
		`{"eventType":"BUILD_FINISHED","payload":{"id":12,"number":"7","status":"SUCCESS","personal":false}}`:                                                             "12 7",
		`{"eventType":"BUILD_FINISHED","payload":{"id":12,"number":"7","status":"SUCCESS","properties":{"property":[{"name":"build.is.personal","value":"something"}]}}}`: "12 7",
	} {
		holdEvent(t, "teamcity", body, want)
	}
}

// holdEvent reads one event: its id and version, or why it is ignored.
func holdEvent(t *testing.T, tool, body, want string) {
	t.Helper()
	events, got, err := tools[tool].read(nil, verifier.Delivery{ReceivedAt: now, Body: []byte(body)})
	if len(events) == 1 {
		got = events[0].Deploy.ID + " " + events[0].Deploy.Version
	}
	if err != nil || got != want {
		t.Errorf("%s: %q, %v; want %q", body, got, err, want)
	}
}

// TestCloudEventsInBase64 reads a CDEvent however a CloudEvents library wraps it.
func TestCloudEventsInBase64(t *testing.T) {
	event, err := os.ReadFile("../testdata/cdevents/v0.4.1-service_deployed.json")
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString(event)
	quoted, err := json.Marshal(string(event))
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := readCDEvents(nil, verifier.Delivery{ReceivedAt: now, Body: event})
	if err != nil || len(want) != 1 {
		t.Fatal(err)
	}
	const head = `{"specversion":"1.0","id":"1","source":"/x","type":"dev.cdevents.service.deployed.0.1.1",`
	for name, body := range map[string]string{
		"structured":                       head + `"datacontenttype":"application/json","data":` + string(event) + `}`,
		"structured, base64":               head + `"data_base64":"` + encoded + `"}`,
		"structured, base64, data is null": head + `"data":null,"data_base64":"` + encoded + `"}`,
		"structured, a text":               head + `"data":` + string(quoted) + `}`,
		"binary":                           string(event),
		"binary, base64":                   encoded,
		"binary, base64 as JSON":           `"` + encoded + `"`,
	} {
		in := verifier.Delivery{ReceivedAt: now, Body: []byte(body), Header: map[string][]string{"Ce-Type": {"dev.cdevents.service.deployed.0.1.1"}}}
		got, why, err := readCDEvents(nil, in)
		if err != nil || len(got) != 1 || got[0].Deploy.ID != want[0].Deploy.ID || got[0].Deploy.Version != want[0].Deploy.Version {
			t.Errorf("%s: %+v, %q, %v", name, got, why, err)
		}
	}
	if _, _, err := readCDEvents(nil, verifier.Delivery{ReceivedAt: now, Body: []byte(head + `"data_base64":"%%"}`)}); err == nil {
		t.Error("what is no base64 is taken")
	}
}
