package intake

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"verifier"
)

// kubewatch tells of changes of Kubernetes objects, with what they were before.
var kubewatch = tool{
	check: checkSecret, read: readKubewatch,
	fields: []string{"kind", "name", "namespace", "cluster", "container", "image", "image_tag", "pod_label.*"},
	where:  map[string]string{"service": "data.obj.metadata.name", "environment": "data.obj.metadata.namespace", "version": "data.obj.spec.template.spec.containers", "at": "time"},
}

type kubeObject struct {
	Metadata struct {
		Name       string            `json:"name"`
		Namespace  string            `json:"namespace"`
		UID        string            `json:"uid"`
		Generation int64             `json:"generation"`
		Labels     map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int `json:"replicas"`
		Template struct {
			Metadata struct {
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
			Spec kubePod `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

type kubePod struct {
	Containers []struct {
		Name  string          `json:"name"`
		Image string          `json:"image"`
		Env   json.RawMessage `json:"env"`
		Args  json.RawMessage `json:"args"`
	} `json:"containers"`
}

// kubeKinds are the objects whose images are versions.
var kubeKinds = map[string]bool{"Deployment": true, "StatefulSet": true, "DaemonSet": true}

// readKubewatch reads a change of a workload: of an image (a release), of the rest of its template (config) or of its replicas (scale).
func readKubewatch(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	var e struct {
		Time string `json:"time"`
		Data struct {
			Operation  string      `json:"operation"`
			Kind       string      `json:"kind"`
			ClusterUID string      `json:"clusterUid"`
			Obj        *kubeObject `json:"obj"`
			Old        *kubeObject `json:"oldObj"`
		} `json:"data"`
	}
	if err := json.Unmarshal(in.Body, &e); err != nil {
		return nil, "", verifier.Invalid("body", "is no CloudEvent of kubewatch: %v", misread(err))
	}
	data := e.Data
	switch {
	case data.Kind == "" && data.Obj == nil:
		return nil, "", verifier.Invalid("data.kind", "is missing; let kubewatch send CloudEvents")
	case !kubeKinds[data.Kind]:
		return nil, fmt.Sprintf("a %.40q has no version; Deployment, StatefulSet and DaemonSet have", data.Kind), nil
	case data.Obj == nil:
		return nil, "it does not say what is there now", nil
	case data.Old == nil && data.Operation != "create":
		return nil, "it does not say what was there before, so that nobody can tell what changed", nil
	case data.Operation == "delete":
		return nil, "a workload was deleted", nil
	}
	at, assumed := in.ReceivedAt, true
	if e.Time != "" {
		var err error
		if at, err = parseTime("time", e.Time, time.RFC3339Nano); err != nil {
			return nil, "", err
		}
		assumed = false
	}
	change, previous := verifier.Release, ""
	container, image := data.Obj.main()
	if data.Old != nil {
		var why string
		if change, why = changed(data.Old, data.Obj); why != "" {
			return nil, why, nil
		}
		_, was := data.Old.main()
		previous = imageTag(was)
	}
	meta := data.Obj.Metadata
	fields := map[string]string{
		"kind": data.Kind, "name": meta.Name, "namespace": meta.Namespace, "cluster": data.ClusterUID, "container": container, "image": image, "image_tag": imageTag(image),
	}
	for k, v := range meta.Labels {
		fields["pod_label."+k] = v
	}
	d := verifier.Deploy{
		ID: meta.UID + "/" + strconv.FormatInt(meta.Generation, 10), Place: verifier.Place{Service: meta.Name, Environment: meta.Namespace}, Version: imageTag(image),
		PreviousVersion: previous, Status: verifier.Succeeded, Change: change, At: at, AtAssumed: assumed,
	}
	if change != verifier.Release {
		d.PreviousVersion = ""
	}
	return []Event{{d, fields}}, "", nil
}

// main is the container that the workload is named after, else its first.
func (o *kubeObject) main() (name, image string) {
	containers := o.Spec.Template.Spec.Containers
	for _, c := range containers {
		if strings.EqualFold(c.Name, o.Metadata.Name) {
			return c.Name, c.Image
		}
	}
	if len(containers) == 0 {
		return "", ""
	}
	return containers[0].Name, containers[0].Image
}

// changed says what kind of change it is; why says that it is none.
func changed(was, is *kubeObject) (change verifier.Change, why string) {
	images := func(o *kubeObject) (list []string) {
		for _, c := range o.Spec.Template.Spec.Containers {
			list = append(list, c.Name+"="+c.Image)
		}
		return list
	}
	switch {
	case !reflect.DeepEqual(images(was), images(is)):
		return verifier.Release, ""
	case !reflect.DeepEqual(was.Spec.Template, is.Spec.Template):
		return verifier.Config, ""
	case !reflect.DeepEqual(was.Spec.Replicas, is.Spec.Replicas):
		return verifier.Scale, ""
	}
	return "", "neither its images, its template nor its replicas changed"
}
