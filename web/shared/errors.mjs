// The error that users read: always a full sentence, like UserError in Python.

export class UserError extends Error {
  constructor(message) {
    const text = message.charAt(0).toUpperCase() + message.slice(1);
    super(/[.!?]$/.test(text) ? text : `${text}.`);
    this.name = "Error";
    this.clause = message; // the sentence as it came, to be part of another one
  }
}
