/**
 * A job as Kubernetes runs it: one Job for each step, an Indexed one for shards, all on one shared volume. Kubernetes
 * orders no Jobs, so those that wait are suspended, which holds no GPU, and are resumed when the one before is
 * complete.
 */
import { stringify } from "yaml";
import { describeGraph, type JobStep } from "./job_graph.ts";

/** What a person may say about it. */
export interface KubernetesChoice {
  /** Start of the names of the Jobs. */
  readonly name: string;
  readonly namespace: string | null;
  readonly image: string;
  /** Words in front of the arguments of the program. */
  readonly command: readonly string[];
  /** The claim of the volume that all pods share, and where it is in them. */
  readonly claim: string;
  readonly mount: string;
  /** Resource that each computing pod takes one of, such as `nvidia.com/gpu`; null for none. */
  readonly gpu: string | null;
  readonly concurrent: number | null;
  readonly retries: number;
}

/** The part of batch/v1 Job that is used. */
export interface JobManifest {
  readonly apiVersion: "batch/v1";
  readonly kind: "Job";
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels: Record<string, string> };
  readonly spec: {
    readonly completionMode: "Indexed" | "NonIndexed";
    readonly completions: number;
    readonly parallelism: number;
    readonly backoffLimit?: number;
    readonly backoffLimitPerIndex?: number;
    readonly suspend: boolean;
    readonly podReplacementPolicy: "Failed";
    readonly podFailurePolicy: {
      readonly rules: readonly {
        readonly action: "FailIndex" | "FailJob" | "Ignore";
        readonly onExitCodes?: { readonly containerName: string; readonly operator: "In"; readonly values: number[] };
        readonly onPodConditions?: { readonly type: string; readonly status: "True" }[];
      }[];
    };
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: {
        readonly restartPolicy: "Never";
        readonly containers: {
          readonly name: string;
          readonly image: string;
          readonly command: string[];
          readonly args: string[];
          readonly workingDir: string;
          readonly env?: { readonly name: string; readonly value: string }[];
          readonly resources?: { readonly limits: Record<string, number> };
          readonly volumeMounts: { readonly name: string; readonly mountPath: string }[];
        }[];
        readonly volumes: { readonly name: string; readonly persistentVolumeClaim: { readonly claimName: string } }[];
      };
    };
  };
}

const container = "secateur";
const volume = "shared";

/** Kubernetes fills in `$(NAME)`; a doubled dollar sign stays one. */
function literal(text: string): string {
  return text.replaceAll("$(", "$$$$(");
}

/** The Jobs, in the order of the steps. */
export function kubernetesJobs(steps: readonly JobStep[], choice: KubernetesChoice): JobManifest[] {
  const { name, namespace, image, command, claim, mount, gpu, concurrent, retries } = choice;
  return steps.map((step): JobManifest => {
    const labels = { "app.kubernetes.io/name": "secateur", "app.kubernetes.io/instance": name, step: step.name };
    const shard = step.shards === null ? [] : ["--shard", `auto/${step.shards}`];
    const wantsGpu = gpu !== null && step.computes;
    return {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: `${name}-${step.name}`, ...(namespace !== null && { namespace }), labels },
      spec: {
        completionMode: step.shards === null ? "NonIndexed" : "Indexed",
        completions: step.shards ?? 1,
        parallelism: Math.min(step.shards ?? 1, concurrent ?? Infinity),
        ...(step.shards === null ? { backoffLimit: retries } : { backoffLimitPerIndex: retries }),
        suspend: step.after !== null,
        // A shard is not begun anew while its old pod still ends.
        podReplacementPolicy: "Failed",
        podFailurePolicy: {
          rules: [
            // A drained or preempted node is nobody's failure; a command line that is wrong will not get better.
            { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
            {
              action: step.shards === null ? "FailJob" : "FailIndex",
              onExitCodes: { containerName: container, operator: "In", values: [2] },
            },
          ],
        },
        template: {
          metadata: { labels },
          spec: {
            restartPolicy: "Never",
            containers: [{
              name: container,
              image,
              command: command.map(literal),
              args: [...step.words, ...shard].map(literal),
              workingDir: mount,
              // Without `graphics` NVIDIA's runtime leaves its Vulkan driver out of the container.
              ...(wantsGpu && gpu.startsWith("nvidia.com/") &&
                { env: [{ name: "NVIDIA_DRIVER_CAPABILITIES", value: "compute,utility,graphics" }] }),
              ...(wantsGpu && { resources: { limits: { [gpu]: 1 } } }),
              volumeMounts: [{ name: volume, mountPath: mount }],
            }],
            volumes: [{ name: volume, persistentVolumeClaim: { claimName: claim } }],
          },
        },
      },
    };
  });
}

/** The manifests as YAML, headed by the commands that run them in order. */
export function kubernetesManifests(steps: readonly JobStep[], choice: KubernetesChoice): string {
  const { name, namespace } = choice;
  const kubectl = `kubectl${namespace === null ? "" : ` --namespace ${namespace}`}`;
  const commands = [
    `${kubectl} apply -f FILE`,
    ...steps.flatMap(({ name: step, after }) =>
      after === null ? [] : [
        `${kubectl} wait --for=condition=complete --timeout=-1s job/${name}-${after}`,
        `${kubectl} patch job/${name}-${step} --patch '{"spec":{"suspend":false}}'`,
      ]
    ),
  ];
  const head = [describeGraph(steps), "Save this as FILE, then:", ...commands.map((line) => `  ${line}`)];
  const documents = kubernetesJobs(steps, choice).map((job) =>
    stringify(job, { lineWidth: 0, aliasDuplicateObjects: false })
  );
  return `${head.map((line) => `# ${line}\n`).join("")}---\n${documents.join("---\n")}`;
}
