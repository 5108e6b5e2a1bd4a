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
        this.frame.contentWindow.postMessage = (data) => setTimeout(() => this.onmessage?.({ data }))
      })
      document.body.append(this.frame)
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.onmessage({ data }))
    }

    terminate() {
      this.frame.remove()
    }
  }
}
