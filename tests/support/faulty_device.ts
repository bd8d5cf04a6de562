/** A real device whose faults are made: it loses itself, has no room, or reports an error, when a test says so. */

/** A device and its faults. */
export interface FaultyDevice {
  readonly device: GPUDevice;
  /** Lets allocation number `count` from now on fail, as if there were no room for it. */
  failAllocation(count: number): void;
  /** Lets the device say that it is lost, as after a reset of the driver. */
  lose(message: string): void;
  /** Makes the device report a validation error. */
  breakRule(): void;
  /** Takes the faults away and gives the device a new life. */
  mend(): void;
}

/** Puts faults into a device; one at a time can have them. */
export function makeFaulty(device: GPUDevice): FaultyDevice {
  const pushErrorScope = device.pushErrorScope.bind(device);
  const popErrorScope = device.popErrorScope.bind(device);
  const scopes: GPUErrorFilter[] = [];
  const genuine = device.lost;
  let left = Infinity;
  let announce: (info: GPUDeviceLostInfo) => void = () => {};
  const define = (name: string, value: unknown) => Object.defineProperty(device, name, { configurable: true, value });
  const renew = () => define("lost", new Promise<GPUDeviceLostInfo>((resolve) => announce = resolve));
  define("pushErrorScope", (filter: GPUErrorFilter) => {
    scopes.push(filter);
    pushErrorScope(filter);
  });
  define("popErrorScope", async () => {
    const isAllocation = scopes.pop() === "out-of-memory";
    const error = await popErrorScope();
    return isAllocation && --left === 0 ? { message: "made by the test" } : error;
  });
  renew();
  return {
    device,
    failAllocation: (count) => left = count,
    lose: (message) => announce({ reason: "unknown", message } as unknown as GPUDeviceLostInfo),
    breakRule: () => {
      device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    },
    mend: () => {
      left = Infinity;
      define("pushErrorScope", pushErrorScope);
      define("popErrorScope", popErrorScope);
      define("lost", genuine);
    },
  };
}
