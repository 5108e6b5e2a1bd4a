// Search runs in a worker, which browsers refuse to pages that are opened as files.
// There a hidden frame takes the worker's place; on a server nothing changes.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.frame.srcdoc = `<script src="${new URL(url, location.href)}"><\/script>`
      this.ready = new Promise((done) => this.frame.addEventListener("load", done))
      this.ready.then(() => {
        this.frame.contentWindow.postMessage = (data) => {
          const copy = structuredClone(data)
          setTimeout(() => this.onmessage?.({ data: copy }))
        }
      })
      document.body.append(this.frame)
    }

    postMessage(data) {
      const copy = structuredClone(data) // as for a worker: neither side sees what the other changes
      this.ready.then(() => this.frame.contentWindow.onmessage({ data: copy }))
    }

    terminate() {
      this.frame.remove()
    }
  }
}
