// Shows the API document of every service, one below the other; calls made from here carry the token of the field above.
"use strict";

const token = document.getElementById("token");

function carry(request) {
  const own = new URL(request.url, location.href).origin === location.origin;
  if (own && token.value && !request.loadSpec) {
    request.headers.Authorization = `Bearer ${token.value.trim()}`;
  }
  return request;
}

for (const section of document.querySelectorAll("section[data-document]")) {
  window.SwaggerUIBundle({
    url: section.dataset.document,
    domNode: section,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    validatorUrl: null,
    requestInterceptor: carry,
  });
}
