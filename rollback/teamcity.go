package rollback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"verifier"
)

// TeamCityConfig rolls back by a build: of the configuration that deploys, with the version among its parameters or as the build that
// it promotes. Texts may name {{.To}} and the like.
type TeamCityConfig struct {
	APIConfig      `yaml:",inline"`
	BuildType      string            `yaml:"build_type"`       // the id of the build configuration that deploys
	Properties     map[string]string `yaml:"properties"`       // parameters of that build
	Branch         string            `yaml:"branch"`           // default: the configuration's own
	Promotes       string            `yaml:"promotes"`         // the id of the configuration whose build of number To is deployed
	AlsoDeployedBy []string          `yaml:"also_deployed_by"` // ids of others that deploy this service here
	Hook           string            `yaml:"hook"`             // that its events come through; default teamcity
}

type teamCity struct {
	*api
	buildType, branch, promotes filler
	properties                  map[string]filler
	others                      []filler
	hook                        string
}

func newTeamCity(c TeamCityConfig, rt http.RoundTripper) (Way, error) {
	a, err := c.open("teamcity", "https://teamcity.example.com", rt, func(key string) http.Header {
		return http.Header{"Authorization": {"Bearer " + key}}
	})
	if err != nil {
		return nil, err
	}
	if c.BuildType == "" {
		return nil, errors.New("teamcity.build_type is missing; write the id of the build configuration that deploys, like Shop_Deploy")
	}
	t := &teamCity{api: a, hook: cmp.Or(c.Hook, "teamcity"), properties: map[string]filler{}}
	var problems []error
	parse := func(to *filler, key, text string) {
		f, err := parseText("teamcity."+key, text)
		*to, problems = f, append(problems, err)
	}
	parse(&t.buildType, "build_type", c.BuildType)
	parse(&t.branch, "branch", c.Branch)
	parse(&t.promotes, "promotes", c.Promotes)
	for name, text := range c.Properties {
		var f filler
		parse(&f, "properties."+name, text)
		t.properties[name] = f
	}
	for _, text := range c.AlsoDeployedBy {
		var f filler
		parse(&f, "also_deployed_by", text)
		t.others = append(t.others, f)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if c.Promotes == "" && !saysVersion(append(slices.Collect(maps.Values(t.properties)), t.branch)...) {
		return nil, errors.New("teamcity says nowhere which version to deploy; write properties: {version: '{{.To}}'}, or promotes: the id of the configuration that built it")
	}
	return follow(t), nil
}

func (t *teamCity) name() string { return "TeamCity" }

// ready asks for the configuration, and for the build that is promoted.
func (t *teamCity) ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	id, err := t.id(t.buildType, c)
	if err != nil {
		return "", err
	}
	var b struct {
		ID      string `json:"id"`
		Project struct {
			Archived bool `json:"archived"`
		} `json:"project"`
	}
	switch err := t.call(ctx, http.MethodGet, "/app/rest/buildTypes/id:"+id+"?fields=id,project(archived)", nil, &b); {
	case notFound(err):
		return "", fmt.Errorf("the build configuration %s is not in TeamCity, or not to be seen with this key: %w", id, err)
	case err != nil:
		return "", err
	case b.ID == "":
		return "", fmt.Errorf("TeamCity answers for %s with no build configuration; is teamcity.url right?", id)
	case b.Project.Archived:
		return "", fmt.Errorf("the project of %s is archived: it runs no builds", id)
	}
	promoted, err := t.promoted(ctx, c)
	if err != nil {
		return "", err
	}
	if promoted == nil {
		return id + " is there", nil
	}
	return fmt.Sprintf("%s is there, and so is build %s (%s)", id, promoted.Number, promoted.WebURL), nil
}

// promoted is the build that the rollback deploys again; nil where the configuration promotes none.
func (t *teamCity) promoted(ctx context.Context, c verifier.RollbackCall) (*teamCityBuild, error) {
	id, err := t.id(t.promotes, c)
	if err != nil || id == "" {
		return nil, err
	}
	if !teamCityNumber.MatchString(c.To) {
		return nil, fmt.Errorf("%q cannot be looked for as a build's number", c.To)
	}
	builds, err := t.list(ctx, "builds", "buildType:(id:"+id+"),number:"+c.To+",status:SUCCESS,state:finished,branch:(default:any),count:1")
	if err != nil {
		return nil, err
	}
	if len(builds) == 0 {
		return nil, fmt.Errorf("TeamCity has no successful build %s of %s; was it cleaned up?", c.To, id)
	}
	return &builds[0], nil
}

// running are the builds of all configurations that deploy the service there. The queue is asked first: what leaves it meanwhile is
// found among those that run.
func (t *teamCity) running(ctx context.Context, c verifier.RollbackCall) ([]task, error) {
	place, err := t.place(c)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []task
	for _, f := range append([]filler{t.buildType}, t.others...) {
		id, err := t.id(f, c)
		if err != nil {
			return nil, err
		}
		waiting, err := t.list(ctx, "buildQueue", "buildType:(id:"+id+"),count:1000")
		if err != nil {
			return nil, err
		}
		at, err := t.list(ctx, "builds", "buildType:(id:"+id+"),state:running,defaultFilter:false,branch:(default:any),count:1000")
		if err != nil {
			return nil, err
		}
		for _, b := range append(waiting, at...) {
			if !seen[b.ID.String()] && b.elsewhere(place) == "" {
				seen[b.ID.String()] = true
				out = append(out, t.task(b, c))
			}
		}
	}
	return out, nil
}

// place are the parameters that stay the same whatever version is deployed: they tell whose build it is where many services share a
// configuration.
func (t *teamCity) place(c verifier.RollbackCall) (map[string]string, error) {
	other := verifier.RollbackCall{Service: c.Service, Environment: c.Environment, Target: c.Target, Names: c.Names}
	here, err := t.filled(c)
	if err != nil {
		return nil, err
	}
	without, err := t.filled(other)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(here, func(name, value string) bool { return without[name] != value })
	return here, nil
}

// idProperty is the parameter that holds the call's id, by which its build is found again.
const idProperty = "verifier.rollback"

// find looks among the newest builds, queued ones too.
func (t *teamCity) find(ctx context.Context, c verifier.RollbackCall) (*task, error) {
	id, err := t.id(t.buildType, c)
	if err != nil {
		return nil, err
	}
	waiting, err := t.list(ctx, "buildQueue", "buildType:(id:"+id+"),count:1000")
	if err != nil {
		return nil, err
	}
	newest, err := t.list(ctx, "builds", "buildType:(id:"+id+"),state:any,defaultFilter:false,branch:(default:any),count:100")
	if err != nil {
		return nil, err
	}
	for _, b := range append(waiting, newest...) {
		if slices.Contains(b.Properties.Property, teamCityProperty{idProperty, c.ID}) || strings.HasPrefix(b.Comment.Text, c.ID+":") {
			found := t.task(b, c)
			return &found, nil
		}
	}
	return nil, nil
}

// start puts the build in the queue.
func (t *teamCity) start(ctx context.Context, c verifier.RollbackCall) (task, error) {
	body, err := t.order(ctx, c)
	if err != nil {
		return task{}, beforehand{err}
	}
	var b teamCityBuild
	if err := t.call(ctx, http.MethodPost, "/app/rest/buildQueue", body, &b); err != nil {
		return task{}, err
	}
	if b.ID == "" || b.ID == "0" {
		return task{}, errors.New("TeamCity took the build and gives no id for it")
	}
	return t.task(b, c), nil
}

// state asks for one build, which answers while it waits in the queue too.
func (t *teamCity) state(ctx context.Context, at task) (task, error) {
	var b teamCityBuild
	if err := t.call(ctx, http.MethodGet, "/app/rest/builds/id:"+at.ID+"?fields="+teamCityFields, nil, &b); err != nil {
		if notFound(err) {
			at.State, at.Problem = failed, "it is no longer in TeamCity; was it deleted?"
			return at, nil
		}
		return at, err
	}
	if b.ID.String() != at.ID {
		return at, fmt.Errorf("TeamCity answers for build %s with build %q", at.ID, b.ID)
	}
	now := t.task(b, verifier.RollbackCall{})
	now.Deploy = at.Deploy
	return now, nil
}

// cancel stops a build wherever it is by now: in the queue, or at work.
func (t *teamCity) cancel(ctx context.Context, at task) error {
	body := map[string]any{"comment": "verifier rolls back the version that this build deploys", "readdIntoQueue": false}
	places := []string{"builds", "buildQueue"}
	if at.State == queued || at.State == paused {
		slices.Reverse(places)
	}
	err := t.call(ctx, http.MethodPost, "/app/rest/"+places[0]+"/id:"+at.ID, body, nil)
	if notFound(err) {
		err = t.call(ctx, http.MethodPost, "/app/rest/"+places[1]+"/id:"+at.ID, body, nil)
	}
	if notFound(err) {
		return nil // it ended meanwhile
	}
	return err
}

// list asks for builds; kind is builds or buildQueue.
func (t *teamCity) list(ctx context.Context, kind, locator string) ([]teamCityBuild, error) {
	var page struct {
		Build []teamCityBuild `json:"build"`
	}
	path := "/app/rest/" + kind + "?locator=" + url.QueryEscape(locator) + "&fields=" + url.QueryEscape("count,build("+teamCityFields+")")
	err := t.call(ctx, http.MethodGet, path, nil, &page)
	return page.Build, err
}

// id is that of a build configuration, fit for a locator.
func (t *teamCity) id(f filler, c verifier.RollbackCall) (string, error) {
	id, err := f.fill("teamcity", c)
	if err == nil && id != "" && !teamCityID.MatchString(id) {
		err = fmt.Errorf("%q is no id of a build configuration; write names: {teamcity: …} in the catalogue, or the id itself", id)
	}
	return id, err
}

// What stands unquoted in a locator.
var (
	teamCityID     = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	teamCityNumber = regexp.MustCompile(`^[^(),:]+$`)
)

func (t *teamCity) filled(c verifier.RollbackCall) (map[string]string, error) {
	out := map[string]string{}
	for name, f := range t.properties {
		value, err := f.fill("teamcity", c)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}
