"""The language-model service on Kubernetes: manifests to read and apply, and their check offline.

    ./lab k8s check                 # against schemas, and against the service and each other
    ./lab k8s apply                 # service.yaml, adapter.yaml, hpa.yaml, where a cluster answers
    ./lab k8s apply keda            # or keda, kserve: other ways to the same replicas

`rollout` makes the manifests of a canary's steps from its plan (`resilience.rollout`), for Istio,
KServe and Seldon Core: ./lab k8s rollout istio 5.

They stand beside the service that they deploy (`serve/llm`), because each names things of it: its
settings, its port, its metrics. `Dockerfile` makes the image. `schemas` holds what is not in
`kubernetes-validate`, which knows Kubernetes' own kinds.
"""
