/** The error of an option that cannot be: what was asked for does not fit the model, the task or its data. */

/**
 * An option that is out of its range, contradicts another one, or does not fit the model, the task or its data.
 * Whoever asked can put it right, while a `RangeError` of another kind may be the fault of a file. Its name stays
 * `RangeError`.
 */
export class OptionError extends RangeError {
  /** @param option The field of the options that is at fault, such as `layers`, where that is told. */
  constructor(message: string, readonly option?: string) {
    super(message);
  }
}
