// Small help for forms; every one of them works without it.

// a form is sent once, however often the button is pressed
document.addEventListener('submit', event => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.method !== 'post') {
    return;
  }
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = 'yes';
  form.querySelectorAll('button').forEach(button => button.setAttribute('aria-disabled', 'true'));
});

// a page that is shown again from the browser's memory may be sent again
window.addEventListener('pageshow', () => {
  document.querySelectorAll('form[data-sent]').forEach(form => {
    form.removeAttribute('data-sent');
    form.querySelectorAll('button').forEach(button => button.removeAttribute('aria-disabled'));
  });
});

// a log tells at its end why it ends
document.querySelectorAll('details.log').forEach(details => {
  const show = () => details.querySelectorAll('pre').forEach(log => (log.scrollTop = log.scrollHeight));
  details.addEventListener('toggle', show);
  show();
});

// whoever sent a form that does not fit is taken to the first field to mend
/** @type {HTMLElement | null} */ (document.querySelector('[aria-invalid="true"]'))?.focus();
