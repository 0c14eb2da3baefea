/** The page of one clone, snapshot or environment: what is known of it, live, and what can be done with it. */
import './details.css';
import { element, setText } from '../shared/element.ts';
import { connectToHost } from '../shared/host.ts';
import { icon } from '../shared/icons.ts';
import { button, registerComponents, type Button } from '../toolkit.ts';
import {
  detailsStateSchema,
  toDetailsSchema,
  type DetailsView,
  type FromDetails,
  type PageFact,
  type ToDetails,
} from './messages.ts';

registerComponents();

const host = connectToHost<ToDetails, FromDetails, { kind: string; key: string }>({
  incoming: toDetailsSchema,
  state: detailsStateSchema,
  onMessage: ({ view }) => show(view),
  dropped: (count) => ({ kind: 'dropped', count }),
});
const { kind = '', key = '' } = document.body.dataset;
host.save({ kind, key });

const title = element('h1');
const about = element('p', { className: 'about quiet' });
const problem = element('div', { className: 'problem', attributes: { role: 'alert' } });
const actions = element('div', { className: 'actions' });
const facts = element('dl');
const membersTitle = element('h2', { attributes: { id: 'members' } });
const members = element('dl');
const membersSection = element('section', { attributes: { 'aria-labelledby': 'members' } }, [
  membersTitle,
  members,
]);
const spoken = element('div', {
  className: 'for-screen-readers',
  attributes: { role: 'status', 'aria-live': 'polite' },
});
document.body.append(
  element('main', { className: 'page' }, [title, about, problem, actions, facts, membersSection, spoken]),
);

const factRow = ({ name, value }: PageFact): HTMLElement =>
  element('div', { className: 'fact' }, [
    element('dt', { text: name }),
    element(
      'dd',
      {},
      value.map(({ text, code }) => (code ? element('code', { text }) : text)),
    ),
  ]);

/** Only what changed is made anew: somebody may be reading or selecting it. */
function showFacts(list: HTMLElement, wanted: readonly PageFact[]): void {
  const kept = new Map([...list.children].map((child) => [(child as HTMLElement).dataset['fact'], child]));
  list.replaceChildren(
    ...wanted.map((fact) => {
      const text = JSON.stringify(fact);
      const row = (kept.get(text) as HTMLElement | undefined) ?? factRow(fact);
      row.dataset['fact'] = text;
      return row;
    }),
  );
}

/** By action: a button that has the focus stays the one that has it. */
const buttons = new Map<string, Button>();
function buttonFor(id: string, label: string, look: 'primary' | 'secondary'): HTMLElement {
  const known = buttons.get(id);
  const made = known ?? button({ label, look, onPress: () => host.send({ kind: 'run', action: id }) });
  buttons.set(id, made);
  made.element.setAttribute('appearance', look);
  return made.element;
}

let actionsShown = '';
function showActions(wanted: DetailsView['actions']): void {
  const text = JSON.stringify(wanted);
  if (text === actionsShown) return;
  actionsShown = text;
  const focused = [...buttons].find(([, each]) => each.element === document.activeElement)?.[0];
  actions.replaceChildren(
    ...wanted.map(({ name, actions: group }, index) =>
      element(
        'div',
        { className: 'group', attributes: { role: 'group', 'aria-label': name } },
        group.map(({ id, label }, place) =>
          buttonFor(id, label, index === 0 && place === 0 ? 'primary' : 'secondary'),
        ),
      ),
    ),
  );
  // Taken out and put back, it has lost the focus.
  if (focused !== undefined) buttons.get(focused)?.element.focus();
}

let standing = '';
function show(view: DetailsView): void {
  setText(title, view.title);
  setText(about, view.standing === '' ? view.kind : `${view.kind} · ${view.standing}`);
  problem.hidden = view.problem === null;
  if (problem.dataset['text'] !== (view.problem ?? '')) {
    problem.dataset['text'] = view.problem ?? '';
    problem.replaceChildren(icon('warning'), element('span', { text: view.problem ?? '' }));
  }
  showActions(view.actions);
  showFacts(facts, view.facts);
  membersSection.hidden = view.members.facts.length === 0;
  setText(membersTitle, view.members.title);
  showFacts(members, view.members.facts);
  if (standing !== '' && standing !== view.standing) setText(spoken, `${view.title}: ${view.standing}`);
  standing = view.standing;
}

host.send({ kind: 'ready' });
