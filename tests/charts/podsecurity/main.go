// Command podsecurity judges pods by Kubernetes' own Pod Security library. It reads a JSON array of pods and writes, for
// each, why the profile "restricted" would refuse it; an empty string means that it would not.
package main

import (
	"encoding/json"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	var pods []corev1.Pod
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&pods); err != nil {
		log.Fatalf("standard input is not an array of pods: %v", err)
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		log.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	reasons := make([]string, len(pods))
	for i, pod := range pods {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
		reasons[i] = result.ForbiddenDetail()
	}
	if err := json.NewEncoder(os.Stdout).Encode(reasons); err != nil {
		log.Fatal(err)
	}
}
