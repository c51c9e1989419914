// Command admission asks a ValidatingAdmissionPolicy about pods, by the API server's own library for its expressions. It
// reads {"policy": ..., "requests": [...]} and writes, for each request, why the policy refuses it; an empty string means
// that it does not.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	policyv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// request is one for a pod: to update it where there is a former state, else to create it.
type request struct {
	Subresource string      `json:"subresource"`
	Pod         *corev1.Pod `json:"pod"`
	Former      *corev1.Pod `json:"former"`
}

// expression is one of a policy, which has a name where others refer to it, or it is to be named in an error.
type expression struct {
	name, text string
	returns    *celgo.Type
}

func (e expression) GetName() string            { return e.name }
func (e expression) GetExpression() string      { return e.text }
func (e expression) ReturnTypes() []*celgo.Type { return []*celgo.Type{e.returns} }

// judge holds the compiled expressions of a policy; the message of a validation that has a fixed one is nil.
type judge struct {
	policy                            *policyv1.ValidatingAdmissionPolicySpec
	compiler                          *cel.CompositedCompiler
	conditions, validations, messages cel.ConditionEvaluator
}

func compiled(policy *policyv1.ValidatingAdmissionPolicySpec) (*judge, error) {
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		return nil, err
	}
	known, stored := cel.OptionalVariableDeclarations{}, environment.StoredExpressions
	for _, each := range policy.Variables {
		made := compiler.CompileAndStoreVariable(expression{each.Name, each.Expression, celgo.AnyType}, known, stored)
		if made.Error != nil {
			log.Fatalf("variable %s: %v", each.Name, made.Error)
		}
	}
	conditions := make([]cel.ExpressionAccessor, len(policy.MatchConditions))
	for i, each := range policy.MatchConditions {
		conditions[i] = expression{each.Name, each.Expression, celgo.BoolType}
	}
	validations := make([]cel.ExpressionAccessor, len(policy.Validations))
	messages := make([]cel.ExpressionAccessor, len(policy.Validations))
	for i, each := range policy.Validations {
		validations[i] = expression{"", each.Expression, celgo.BoolType}
		if each.MessageExpression != "" {
			messages[i] = expression{"", each.MessageExpression, celgo.StringType}
		}
	}
	return &judge{
		policy, compiler,
		compiler.CompileCondition(conditions, known, stored),
		compiler.CompileCondition(validations, known, stored),
		compiler.CompileCondition(messages, known, stored),
	}, nil
}

// refusal returns the message of the first validation that a pod fails. Whatever goes wrong refuses too, as with the
// failurePolicy Fail.
func (j *judge) refusal(asked request) (string, error) {
	kind, resource := corev1.SchemeGroupVersion.WithKind("Pod"), corev1.SchemeGroupVersion.WithResource("pods")
	operation, options, former := admission.Create, runtime.Object(&metav1.CreateOptions{}), runtime.Object(nil)
	if asked.Former != nil {
		operation, options, former = admission.Update, &metav1.UpdateOptions{}, asked.Former
	}
	pod := asked.Pod
	attributes := &admission.VersionedAttributes{
		Attributes: admission.NewAttributesRecord(
			pod, former, kind, pod.Namespace, pod.Name, resource, asked.Subresource, operation, options, false, nil),
		VersionedObject: admission.NewLazyObject(pod), VersionedOldObject: admission.NewLazyObject(former),
		VersionedKind: kind,
	}
	review := cel.CreateAdmissionRequest(attributes, metav1.GroupVersionResource(resource), metav1.GroupVersionKind(kind))
	budget := int64(celconfig.RuntimeCELCostBudget)
	evaluate := func(expressions cel.ConditionEvaluator) ([]cel.EvaluationResult, error) {
		found, left, err := expressions.ForInput(
			context.Background(), attributes, review, cel.OptionalVariableBindings{}, nil, budget)
		budget = left
		return found, err
	}
	matched, err := evaluate(j.conditions)
	if err != nil {
		return "", err
	}
	for _, each := range matched {
		if each.Error != nil {
			return "", each.Error
		}
		if each.EvalResult != types.True {
			return "", nil
		}
	}
	validated, err := evaluate(j.validations)
	if err != nil {
		return "", err
	}
	for i, each := range validated {
		if each.Error != nil {
			return "", each.Error
		}
		if each.EvalResult == types.True {
			continue
		}
		if j.policy.Validations[i].MessageExpression == "" {
			return j.policy.Validations[i].Message, nil
		}
		messages, err := evaluate(j.messages)
		if err != nil {
			return "", err
		}
		if messages[i].Error != nil {
			return "", messages[i].Error
		}
		return messages[i].EvalResult.Value().(string), nil
	}
	return "", nil
}

func main() {
	var input struct {
		Policy   policyv1.ValidatingAdmissionPolicy `json:"policy"`
		Requests []request                          `json:"requests"`
	}
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&input); err != nil {
		log.Fatalf("standard input holds no policy and requests: %v", err)
	}
	judge, err := compiled(&input.Policy.Spec)
	if err != nil {
		log.Fatal(err)
	}
	reasons := make([]string, len(input.Requests))
	for i, asked := range input.Requests {
		reason, err := judge.refusal(asked)
		if err != nil {
			reason = "an expression cannot be evaluated: " + err.Error()
		}
		reasons[i] = reason
	}
	if err := json.NewEncoder(os.Stdout).Encode(reasons); err != nil {
		log.Fatal(err)
	}
}
