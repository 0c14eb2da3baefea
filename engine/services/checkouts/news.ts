/** Hands on to followers what concerns them of what happens to clones and environments. */
import type { Clone } from '../../protocol/entities.ts';
import type { EventBody } from '../../protocol/events.ts';
import type { Follower } from './follower.ts';

export function createNews(followers: () => Follower[]): (event: EventBody) => void {
  /** What was last told of a clone or an environment, so that measured sizes disturb nobody. */
  const told = new Map<string, string>();
  const isNews = (key: string, about: unknown): boolean => {
    const text = JSON.stringify(about);
    if (told.get(key) === text) return false;
    told.set(key, text);
    return true;
  };
  const retry = (follower: Follower): void => void follower.retry();
  return (event) => {
    switch (event.kind) {
      case 'clone': {
        const clone = event.entity;
        if (isNews(clone.id, portsAndState(clone))) for (const each of followers()) each.notice(clone);
        return;
      }
      case 'clone.removed':
        told.delete(event.id);
        for (const each of followers())
          // There may be room now for what failed for want of it.
          if (each.entity().state === 'failed') retry(each);
          else each.notice({ id: event.id, repository: null });
        return;
      case 'environment': {
        const { name, definition, latestSnapshot } = event.entity;
        if (isNews(name, [definition, latestSnapshot])) followers().forEach(retry);
        return;
      }
      case 'environment.removed':
        told.delete(event.name);
        followers().forEach(retry);
        return;
      case 'host':
        if (isNews(`host ${event.entity.name}`, event.entity.state))
          for (const each of followers()) each.noticeHost(event.entity.name);
        return;
      case 'resync':
        // What was told before may be told again, of what is otherwise now.
        told.clear();
        for (const each of followers()) each.noticeHost(undefined);
        return;
      default:
    }
  };
}

/** What of a clone matters to where ports lead. */
function portsAndState({ state, branch, repository, members }: Clone): unknown {
  return [state, branch, repository, members.map((member) => [member.port, member.state])];
}
