// Small help for forms; every one of them works without it.

// for so long a press of the button sends nothing more; whoever stops the browser from sending may press again then
const SENT_MILLISECONDS = 10_000;

/** @param {HTMLFormElement} form one that was sent */
function allowAgain(form) {
  delete form.dataset.sent;
  form.querySelectorAll('button').forEach(button => button.removeAttribute('aria-disabled'));
}

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
  setTimeout(allowAgain, SENT_MILLISECONDS, form);
});

// a page that is shown again from the browser's memory may be sent again
window.addEventListener('pageshow', () => {
  /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll('form[data-sent]')).forEach(allowAgain);
});

// a log tells at its end why it ends
document.querySelectorAll('details.log').forEach(details => {
  const show = () => details.querySelectorAll('pre').forEach(log => (log.scrollTop = log.scrollHeight));
  details.addEventListener('toggle', show);
  show();
});

// whoever sent a form that does not fit is taken to the first field to mend
/** @type {HTMLElement | null} */ (document.querySelector('[aria-invalid="true"]'))?.focus();
