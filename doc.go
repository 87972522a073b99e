// Package verifier holds the words of the problem, and nothing else: every other package speaks in them.
//
// One word for one thing, in code, YAML, SQL, metrics, pages and docs:
//
//   - Service, environment, target: what is deployed, and where. The three together are a [Place]; live version, supersession
//     and actions go by place. Names compare without case.
//   - [Deploy]: one change of one service. Only releases move the live version and the rollback rate.
//     Its [Kind] (release, rollback, redeploy) is derived from the record, never sent.
//   - [Verification]: the watch over one deploy, with that deploy's id, and its [State].
//   - [Rule], [Question], [Answer], [Sample]: what to measure and how to judge it; what is asked of a source about a stretch of
//     time; what it answers; one value with its time, count and exposure.
//   - [Arm]: whose samples they are: the deployed version's, those before it, its peers', last week's.
//   - [Evidence]: the samples of one rule and arm that a verification has gathered.
//   - [Finding]: one rule's outcome now. A verdict is the findings put together.
//   - [Reason]: why an outcome is what it is; a closed list.
//   - Condemned: a version of a place that failed and was not dismissed, was marked bad, or was left by a rollback.
//   - [Incident]: what receivers are told about.
//   - [Rollback]: the way back of one verification, guarded; [Guard] reasons are a closed list.
//   - [Hold]: who stops what, why, and until when.
//   - [Action]: an alert, a rollback call, a sink write, a report: whatever touches the outside world. Its key is unique and
//     goes out as the idempotency key.
//   - [Scene], [Effects]: what a decision sees of the record, and what it writes, in one transaction.
//
// Nothing in this package does anything but hold, compare and describe; it imports the standard library only.
package verifier
